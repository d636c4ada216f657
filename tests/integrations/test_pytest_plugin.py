"""The fixture and the marker `calibench_gate`, in test runs of their own; loading the plugin imports nothing else."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import calibench

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = "calibench.integrations.pytest_plugin"
INSTALLED = any(point.value == PLUGIN for point in importlib.metadata.entry_points(group="pytest11"))
OPTIONS = () if INSTALLED else ("-p", PLUGIN)
"""An installation of this version is loaded by its entry point."""


@pytest.fixture
def run(pytester, samples, softmax):
    """`run(test)`: a test run of one file beside sure.npz, strict about markers. Returns its result."""
    logits, labels = samples(600)
    np.savez(pytester.path / "sure.npz", probs=softmax(logits), labels=labels)

    def call(test: str):
        pytester.makepyfile(test)
        return pytester.runpytest(*OPTIONS, "--strict-markers", "-p", "no:cacheprovider")

    return call


def test_a_limit_that_holds(run):
    run(
        """
        def test_model(calibench_gate):
            result = calibench_gate(file="sure.npz", max={"ece15": 0.5}, min={"accuracy": 0.3})
            assert result.passed
            assert len(result.checks) == 2
        """
    ).assert_outcomes(passed=1)


def test_a_failure_has_the_words_of_the_command(run, pytester):
    result = run(
        """
        def test_model(calibench_gate):
            calibench_gate(file="sure.npz", max={"ece15": 0.5, "brier": 0.01})
        """
    )
    result.assert_outcomes(failed=1)
    expected = str(calibench.gate(file=pytester.path / "sure.npz", max={"ece15": 0.5, "brier": 0.01})).splitlines()
    assert expected[1].startswith("fails: brier <= 0.01: figure ")
    for line in expected:
        assert line in result.outlines
    assert "Traceback" not in str(result.stdout)
    assert "calibench/" not in str(result.stdout).split("= FAILURES =")[1].split("short test summary")[0]


def test_the_marker_gives_arguments_and_the_nearest_wins(run):
    run(
        """
        import pytest

        @pytest.mark.calibench_gate(file="sure.npz", max={"brier": 0.01}, confidence=0.9)
        class TestModel:
            @pytest.mark.calibench_gate(max={"ece15": 0.5})
            def test_own(self, calibench_gate):
                result = calibench_gate()
                assert [check.title for check in result.checks] == ["ece15 <= 0.5"]
                assert result.confidence == 0.9

            def test_of_the_call(self, calibench_gate):
                assert calibench_gate(max={"nll": 9}).checks[0].title == "nll <= 9"

            @pytest.mark.xfail(strict=True, raises=pytest.fail.Exception)
            def test_of_the_class(self, calibench_gate):
                calibench_gate()
        """
    ).assert_outcomes(passed=2, xfailed=1)


def test_too_few_samples_fail_with_their_number(run):
    result = run(
        """
        import numpy as np

        def test_model(calibench_gate):
            calibench_gate(probs=np.tile([0.9, 0.1], (60, 1)), labels=[0] * 59 + [1], min={"accuracy": 0.99})
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["error: 60 samples are too few to show accuracy >= 0.99: * 299 are needed", "hint: *"])


def test_a_marker_without_the_fixture_is_refused(run):
    result = run(
        """
        import pytest

        @pytest.mark.calibench_gate(file="sure.npz", max={"brier": 0.01})
        def test_model():
            pass
        """
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*test_model has the marker calibench_gate and does not use the fixture calibench_gate"]
    )


def test_a_marked_test_that_never_calls_the_fixture_fails(run):
    result = run(
        """
        import pytest

        @pytest.mark.calibench_gate(file="sure.npz", max={"brier": 0.01})
        def test_model(calibench_gate):
            pass
        """
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*never called the fixture calibench_gate*"])


def test_a_marker_with_positions_is_refused(run):
    result = run(
        """
        import pytest

        @pytest.mark.calibench_gate("sure.npz")
        def test_model(calibench_gate):
            calibench_gate()
        """
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*takes arguments by name*"])


def test_the_package_offers_the_plugin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"calibench": PLUGIN}


def test_loading_the_plugin_imports_nothing_heavy(tmp_path):
    """Every test run of an environment that has calibench loads it."""
    code = f"import pytest, sys; before = set(sys.modules)\nimport {PLUGIN}\nprint(*sorted(set(sys.modules) - before))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    loaded = ran.stdout.split()
    assert [name for name in loaded if name.startswith("calibench")] == [
        "calibench",
        "calibench.integrations",
        PLUGIN,
        "calibench.lazy",
        "calibench.moved",
        "calibench.version",
    ]
    assert len(loaded) <= 10, loaded


def test_authors_check_an_item_and_get_toy_data(run):
    result = run(
        """
        def test_good(calibench_check, calibench_toy):
            verdicts = calibench_check("noise", "symmetric")
            assert len(verdicts) == 9
            assert calibench_toy.x.shape == (150, 8, 8)

        def test_missing(calibench_check):
            calibench_check("noise", "symetric")
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    assert "hint: did you mean 'symmetric'?" in result.outlines
