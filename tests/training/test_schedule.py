"""The schedule: the factor of the learning rate over epochs, and settings that would do nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibench import InputError, run
from calibench.training.schedule import Schedule


def test_steps_lower_the_rate_after_their_epochs() -> None:
    schedule = Schedule(10, 1.0, 1, lr_schedule="steps", milestones=(3, 6.5), lr_decay=0.2)
    assert [schedule.factor(d) for d in (0, 2.9, 3, 6, 6.5, 9.9)] == pytest.approx([1, 1, 0.2, 0.2, 0.04, 0.04])
    assert Schedule(10, 1.0, 1, lr_schedule="steps", milestones=(3,)).factor(5) == pytest.approx(0.1)
    assert Schedule(10, 1.0, 1, warmup=2).factor(0.5) == 0.25


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("ce:momentum=0.5", "momentum=0.5 does nothing to adam"),
        ("ce:milestones=2;3", "milestones does nothing where lr_schedule is constant"),
        ("ce:lr_decay=0.5,lr_schedule=cosine,epochs=5", "lr_decay does nothing"),
        ("ce:lr_schedule=steps,epochs=5", "lr_schedule=steps has no milestones"),
        ("ce:lr_schedule=steps,milestones=9,epochs=9", "milestone 9 lies outside the 9 epochs"),
        ("ce:warmup=5,epochs=5", "leaves none of the 5 epochs"),
        ("ce:optimizer=sdg", "sgd"),
        ("ce:lr_schedule=cosine", "lr_schedule=cosine needs the number of epochs"),
        ("ce:patience=4,epochs=5", "patience=4 does nothing in 5 epochs"),
        ("ce:patience=5,epochs=5", "patience=5 does nothing in 5 epochs"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(method: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        run(method, results=tmp_path / "r")
    assert message in f"{error.value.message} {error.value.hint}"
    assert not (tmp_path / "r").exists()
