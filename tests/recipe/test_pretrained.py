"""A network that comes trained: stage 1 trains nothing, and settings of stage 1 are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from short_runs import Trainings, figures

from calibench import InputError, run


@pytest.mark.slow
def test_a_network_that_comes_trained_has_no_stage_1(scores: str, tmp_path: Path, trainings: Trainings) -> None:
    options: dict[str, Any] = {"results": tmp_path, "report": trainings}
    first = run("ce", scores, "frozen", **options)
    second = run("ce", scores, "frozen", seed=1, **options)
    assert trainings == []
    assert figures(first) == figures(second)
    assert first.fitted == [{"stage": "ce", "trained": False, "why": "the network was given trained"}]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["locks"]
    run("tst:epochs=2", scores, "frozen", **options)
    run("tst:epochs=2", scores, "frozen", seed=1, **options)
    assert trainings == ["stage 2, TST"] * 2


@pytest.mark.parametrize("options", [{"epochs": 3}, {"settings": ["ce.lr=0.1"]}])
def test_settings_of_stage_1_are_refused(options: dict[str, Any], scores: str) -> None:
    with pytest.raises(InputError, match=r"trains nothing in stage 1, so ce\.(epochs|lr) would do nothing"):
        run("tst", scores, "frozen", results=None, **options)


def test_select_reaches_stage_2(scores: str) -> None:
    record = run("tst:epochs=3", scores, "frozen", select="last", results=None)
    assert record.fitted[1]["epoch"] == 3
    assert run("tst:epochs=3", scores, "frozen", results=None, settings=["tst.select=last"]).fitted[1]["epoch"] == 3
