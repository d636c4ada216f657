"""`--metrics`, `--level` and `--resamples` of a run: what its record holds, and when a stored record answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from short_runs import write_blobs

import calibench

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    return {"dataset": write_blobs(tmp_path), "model": "mlp:hidden=8", "epochs": 1, "results": tmp_path / "r"}


@pytest.mark.slow
def test_a_record_holds_the_default_set_and_the_named_metrics(options: dict[str, Any]) -> None:
    plain = calibench.run("ce", **options)
    assert plain.named_metrics == []
    named = calibench.run("ce", **options, metrics="ece:bins=20,ks,ece15")
    assert named.named_metrics == ["ece20", "ks"]
    assert {name: named.metrics[name] for name in plain.metrics} == plain.metrics
    assert set(named.metrics) == {*plain.metrics, "ece20", "ks"}
    assert named.cache["hits"] == ["stage1"], "only the judging is done again"
    assert named.run_id == plain.run_id


@pytest.mark.slow
def test_a_stored_record_answers_if_it_has_what_is_asked_for(options: dict[str, Any]) -> None:
    first = calibench.run("ce", **options, metrics="ks,ece20")
    for metrics in (None, "ks", "ece20,ks"):
        assert calibench.run("ce", **options, metrics=metrics).created == first.created
        assert calibench.run("ce", **options, metrics=metrics) == first
    wide = calibench.run("ce", **options, level=0.5)
    assert wide.bootstrap["level"] == 0.5
    low, high = wide.intervals["nll"]
    assert first.intervals["nll"][0] < low < high < first.intervals["nll"][1]
    more = calibench.run("ce", **options, resamples=2000)
    assert (more.bootstrap["level"], more.bootstrap["resamples"]) == (0.95, 2000)


@pytest.mark.slow
def test_intervals_of_shifts_have_the_level_too(options: dict[str, Any]) -> None:
    narrow = calibench.run("ce", **options, shift="label-shift", level=0.5)
    wide = calibench.run("ce", **options, shift="label-shift", level=0.99)
    pairs = [
        (a["intervals"]["accuracy"], b["intervals"]["accuracy"]) for a, b in zip(narrow.shift, wide.shift, strict=True)
    ]
    assert pairs
    for near, far in pairs:
        assert far[0] < near[0]
        assert near[1] < far[1]


def test_mistakes_end_the_command_before_anything_is_written(refused: Any, cli: Any, tmp_path: Path) -> None:
    refused("run", "-m", "ce", "--metrics", "smec", says="there is no metric called 'smec'", hint="smece")
    refused("run", "-m", "ce", "--level", "95", says="level 95 is not between 0 and 1", hint="0.95 is 95 %")
    refused("run", "-m", "ce", "--resamples", "10", says="10 bootstrap resamples are too few", hint="at least 1000")
    refused("run", "-m", "ce", "--level", "0.999", says="1000 bootstrap resamples", hint="at least 10000")
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_evaluate_takes_the_level(cli: Any, tmp_path: Path) -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    np.savez(tmp_path / "t.npz", logits=rng.normal(size=(200, 3)), labels=rng.integers(0, 3, 200))
    assert "99 % interval" in cli("evaluate", "t.npz", "--level", "0.99").out
    document = cli("evaluate", "t.npz", "--level", "0.99", "--resamples", "2000", "--metrics", "nll", "--json").document
    assert (document["bootstrap"]["level"], document["bootstrap"]["resamples"]) == (0.99, 2000)
