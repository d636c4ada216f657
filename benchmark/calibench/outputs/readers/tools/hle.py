"""Read judged answers of Humanity's Last Exam and its kin: a `judge_response` with a verbalised confidence of 0 to 100."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calibench.errors import InputError
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.readers.formats.json import parsed
from calibench.outputs.readers.tools.answers import answers
from calibench.plugins.specs import ReaderSpec

SPEC = ReaderSpec(
    name="hle",
    suffixes=(".json", ".jsonl"),
    starts=(b"{", b"["),
    marks=('"judge_response"',),
    target="calibench.outputs.readers.tools.hle:read_hle",
    summary="Judged answers with a verbalised confidence of 0 to 100, as of Humanity's Last Exam.",
)

_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%?\s*\Z")


def read_hle(path: Path, columns: Columns) -> Content:
    """Confidence and correctness of each judged answer. An answer without a confidence is left out, and not taken as 100.

    Raises InputError naming an answer whose `correct` is neither yes nor no, or whose confidence lies outside [0, 100].
    """
    document = parsed(path)
    if isinstance(document, Mapping) and "judge_response" not in document:
        items = list(document.items())
    else:
        rows = document if isinstance(document, list) else [document]
        items = [
            (str(row.get("id", place)) if isinstance(row, Mapping) else str(place), row)
            for place, row in enumerate(rows)
        ]
    confidences: list[float | None] = []
    corrects: list[bool] = []
    unjudged = 0
    for name, row in items:
        judged = row.get("judge_response") if isinstance(row, Mapping) else None
        if not isinstance(judged, Mapping):
            unjudged += 1
            continue
        corrects.append(_correct(judged, name, path))
        confidences.append(_confidence(judged.get("confidence"), name, path))
    what = "answers of a judge_response with a verbalised confidence"
    confidences, fractions = _as_fractions(confidences)
    if fractions:
        what += ", which are fractions here: none is over 1"
    if unjudged:
        what += f"; {unjudged} of {len(items)} are not judged and left out"
    return answers(confidences, corrects, path, what)


def _as_fractions(confidences: list[float | None]) -> tuple[list[float | None], bool]:
    """The confidences, and True where they were fractions before they were divided by 100: none over 1, and not all 0 or 1."""
    known = {round(100 * value, 9) for value in confidences if value is not None}
    if not known or max(known) > 1 or known <= {0, 1}:
        return confidences, False
    return [None if value is None else 100 * value for value in confidences], True


def _correct(judged: Mapping[str, Any], name: str, path: Path) -> bool:
    value = judged.get("correct")
    text = str(value).strip().lower()
    if text not in ("yes", "no", "true", "false"):
        message = f"{path}: answer {name}: correct is {value!r}, neither yes nor no"
        raise InputError(message, "judge it again, or take it out of the file")
    return text in ("yes", "true")


def _confidence(value: Any, name: str, path: Path) -> float | None:
    """A fraction; None for a missing one."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    match = _NUMBER.match(value) if isinstance(value, str) else None
    number = float(match[1]) if match else value
    if (
        isinstance(number, bool)
        or not isinstance(number, int | float)
        or not math.isfinite(number)
        or not 0 <= number <= 100
    ):
        raise InputError(f"{path}: answer {name}: the confidence is {value!r}", "it lies between 0 and 100")
    return number / 100
