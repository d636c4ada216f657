"""`calibench gate` on published probabilities: the interval decides, not the figure; in a shell and in a test run too."""

from __future__ import annotations

import importlib.metadata
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import calibench

pytest_plugins = ["pytester"]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
DATA = DATA if DATA.is_dir() else Path("/work/shared/data")

STORED = {
    "cifar100": ("cifar100_test_probs.npz", lambda z: (z["wrn16_4"], z["label"])),
    "retinopathy": (
        "diabetic_retinopathy_probs.npz",
        lambda z: (z["mc_dropout_prob"].mean(0, dtype=np.float64), z["label"]),
    ),
    "imdb": ("label_errors_test_probs.npz", lambda z: (z["imdb_prob"], z["imdb_label"])),
}
"""The file beside the project, and the probabilities and labels in it."""

pytestmark = pytest.mark.slow


@pytest.fixture(params=STORED)
def stored(request, tmp_path):
    """The probabilities in probs.npz, as `calibench evaluate` reads them."""
    name, pick = STORED[request.param]
    if not (DATA / name).is_file():
        pytest.skip(f"{name} is not beside the project")
    with np.load(DATA / name, allow_pickle=False) as arrays:
        p, y = pick(arrays)
    p = p / p.sum(axis=1, keepdims=True, dtype=np.float64)
    np.savez(tmp_path / "probs.npz", probs=p, labels=y.astype(np.int64))
    return p, y.astype(np.int64)


def limits(stored, metric: str) -> tuple[float, float, float]:
    """The figure, and the bounds of the interval at the level of a gate, 0.9."""
    p, y = stored
    record = calibench.evaluate(probs=p, labels=y, metrics=metric, level=0.9)
    low, high = record.intervals[metric]
    return record.metrics[metric], low, high


@pytest.mark.parametrize("metric", ["ece15", "brier", "nll"])
def test_the_interval_decides(cli, stored, metric):
    value, low, high = limits(stored, metric)
    assert low < value < high
    assert cli("gate", "probs.npz", "--max", f"{metric}={high * 1.000001}").code == 0
    below_the_bound = cli("gate", "probs.npz", "--max", f"{metric}={(value + high) / 2}")
    assert below_the_bound.code == 1  # though the figure is below the limit
    assert below_the_bound.out.startswith(f"not shown: {metric} <= ")
    beyond = cli("gate", "probs.npz", "--max", f"{metric}={low * 0.999999}")
    assert beyond.code == 1
    assert beyond.out.startswith(f"fails: {metric} <= ")


def test_in_a_shell(stored, tmp_path):
    value, _, high = limits(stored, "brier")
    gate = f"{shlex.quote(sys.executable)} -m calibench gate probs.npz -q --max"
    script = f"{gate} brier={high + 1e-6} && echo ship; {gate} brier={(value + high) / 2} >/dev/null || echo stop $?"
    ran = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ran.stdout.split("\n") == ["ship", "stop 1", ""], ran.stderr


def test_in_a_test_run(stored, tmp_path, pytester):
    value, _, high = limits(stored, "brier")
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.calibench_gate(file={str(tmp_path / "probs.npz")!r})
        class TestModel:
            def test_ships(self, calibench_gate):
                calibench_gate(max={{"brier": {high + 1e-6}}})

            def test_stops(self, calibench_gate):
                calibench_gate(max={{"brier": {(value + high) / 2}}})
        """
    )
    plugin = "calibench.integrations.pytest_plugin"
    loaded = any(point.value == plugin for point in importlib.metadata.entry_points(group="pytest11"))
    result = pytester.runpytest(*(() if loaded else ("-p", plugin)), "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["not shown: brier <= *: figure *, population value at most *"])
