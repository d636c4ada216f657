"""`calibench evaluate --resamples 0`: figures without intervals, floors and a verdict."""

from __future__ import annotations

import json

import numpy as np
import pytest
from calibrated import draw

import calibench
from calibench.errors import InputError


@pytest.fixture
def file(tmp_path, monkeypatch):
    p, labels = draw(np.random.default_rng(0), 500, 4)
    monkeypatch.chdir(tmp_path)
    for name in ("a.npz", "b.npz"):
        np.savez(name, probs=p, labels=labels)
    return p, labels


def test_the_table_has_figures_only(file, cli) -> None:
    ran = cli("evaluate", "a.npz", "--resamples", "0")
    assert ran.code == 0, ran.err
    assert "interval" not in ran.out
    assert "floor" not in ran.out
    assert "verdict: not tested, since 0 resamples ask for figures alone: mean confidence" in ran.out
    assert "advice" not in ran.out


def test_the_document_is_that_of_python(file, cli) -> None:
    document = json.loads(cli("evaluate", "a.npz", "--resamples", "0", "--json").out)
    record = calibench.evaluate(probs=file[0], labels=file[1], resamples=0)
    assert document["metrics"] == record.metrics
    assert document["calibrated"] == record.calibrated == "not_tested"
    assert document.get("advice") is None
    assert document["noise_floor"] == {}


def test_two_files_make_a_board(file, cli) -> None:
    ran = cli("evaluate", "a.npz", "b.npz", "--resamples", "0")
    assert ran.code == 0, ran.err
    assert ran.out.count("not tested") == 2


def test_a_fit_shows_before_and_after(file, cli) -> None:
    ran = cli("evaluate", "a.npz", "--fit", "temperature", "--cross-fit", "2", "--resamples", "0")
    assert ran.code == 0, ran.err
    assert "before: not tested" in ran.out
    assert "after: not tested" in ran.out


def test_few_resamples_and_a_run_without_any_are_refused(file, cli, tmp_path) -> None:
    with pytest.raises(InputError, match="5 bootstrap resamples are too few"):
        calibench.evaluate(probs=file[0], labels=file[1], resamples=5)
    ran = cli("run", "-m", "ce", "--resamples", "0", "--results", str(tmp_path / "results"))
    assert ran.code == 2
    assert "0 bootstrap resamples are too few" in ran.err
