"""The reports of a training: after every epoch, and within a long one; samples a second and the figures of validation."""

from __future__ import annotations

import itertools
import time

import pytest

from calibench import run
from calibench.training import pace

Line = tuple[str, float, int, str]


def lines_of(**options: object) -> list[Line]:
    """The reports of stage 1 in a small run."""
    lines: list[Line] = []
    run("ce", model="mlp:hidden=8", epochs=3, results=None, report=lambda *line: lines.append(line), **options)  # type: ignore[arg-type]
    return [line for line in lines if line[0] == "stage 1, ce"]


def test_every_epoch_has_its_nll_its_calibration_and_a_rate() -> None:
    lines = lines_of()
    assert [(done, total) for _, done, total, _ in lines if done % 1 == 0] == [(1, 3), (2, 3), (3, 3)]
    for _, _, _, note in lines:
        rate, nll, ece = note.rsplit(", ", 2)
        assert nll.startswith("val NLL ")
        assert ece.startswith("ECE15 ")
        assert ece.endswith("%")
        assert rate.endswith(" samples/s")
        assert float(rate.removesuffix(" samples/s").replace(",", "")) > 100


def test_a_long_epoch_reports_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock is a second after the last."""
    clock = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    lines = lines_of(settings=["ce.batch_size=404"])
    assert [done for _, done, _, _ in lines] == pytest.approx([n / 3 for n in (1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9)])
    assert lines[0][3].endswith(" samples/s")
    assert ", val NLL " in lines[4][3]


def test_the_rate_is_rows_by_seconds_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.1, 2.0, 50.0, 51.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    lines: list[Line] = []
    watch = pace.Pace(lambda *line: lines.append(line), "x", 4)
    watch.step(0.5, 100)
    watch.step(1, 100)
    watch.epoch(1, "val NLL 1")
    watch.begin()  # at 50: validation took 48 seconds
    watch.step(1.5, 300)
    assert lines == [
        ("x", 1, 4, "100 samples/s"),
        ("x", 1, 4, "100 samples/s, val NLL 1"),
        ("x", 1.5, 4, "300 samples/s, val NLL 1"),
    ]
