"""Answers with a confidence, as tools log them: those without one are left out and counted."""

from __future__ import annotations

from collections.abc import Sequence

from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.content import Content


def answers(confidence: Sequence[float | None], correct: Sequence[bool], path: object, what: str) -> Content:
    """The content of answers with a confidence in [0, 1]; None is a missing one. InputError if no answer has one."""
    known = [place for place, value in enumerate(confidence) if value is not None]
    if not known:
        raise InputError(f"{path}: none of its {len(confidence)} answers has a confidence", f"it is read as {what}")
    notes: tuple[str, ...] = (what,)
    if len(known) < len(confidence):
        missing = [right for value, right in zip(confidence, correct, strict=True) if value is None]
        share = f"{100 * sum(missing) / len(missing):.1f} %"
        notes = (
            *notes,
            f"{len(missing)} of {len(confidence)} answers have no confidence and are left out; {share} of them are right",
        )
    arrays = {
        "confidence": np.array([confidence[place] for place in known], dtype=np.float64),
        "correct": np.array([int(correct[place]) for place in known]),
    }
    return Content(arrays, notes=notes)
