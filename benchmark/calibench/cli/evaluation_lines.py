"""The sentences under the tables of `calibench evaluate`: warnings, fit, verdict, advice."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from calibench.metrics.no_interval import BIASED

if TYPE_CHECKING:
    from calibench.evaluation.advice import Advice
    from calibench.evaluation.evaluation_record import EvaluationRecord

INTERVAL = "interval: of the population value; noise makes calibration errors larger than it; -: no interval is known"
"""The line that explains the column of intervals."""


NOT_SHOWN = ("recipe", "doubt", "doubts")
"""Learned values that have no line: a doubt is (1 - p) / p of a threshold p, which is printed."""


def lines_of(record: EvaluationRecord, left_out: Collection[str] = ()) -> Sequence[str]:
    """Warnings, the learned values of a fit, the verdict, the advice, and the meaning of the floor or the columns left out."""
    after = record.after or {}
    warnings = record.warnings + [text for text in after.get("warnings", ()) if text not in record.warnings]
    lines = [f"warning: {text}" for text in warnings]
    if record.fit is not None:
        lines.append(_fit(record.fit))
    if record.after is not None:
        lines += [f"before: {record.verdict}", f"after: {after['verdict']}"]
    else:
        lines.append(f"verdict: {record.verdict}")
    if record.advice is not None:
        lines.append(f"advice: {_advice(record.advice, record.fit)}")
    reasons = {**record.no_interval, **after.get("no_interval", {})}
    lines += [f"no interval of {name}: {why}" for name, why in reasons.items() if why != BIASED.reason]
    lines += _not_streamed(record.not_streamed or {})
    if not record.bootstrap["resamples"]:
        return lines
    if left_out:
        columns = "floors and some intervals" if len(left_out) > 1 else "floors"
        return [*lines, f"no room for {columns}; a wider terminal and --json show them"]
    return [*lines, INTERVAL, "floor: mean of a perfectly calibrated model with the same confidences"]


def _not_streamed(reasons: Mapping[str, str]) -> list[str]:
    """The metrics that one pass does not give, a line for each reason."""
    return [
        f"not in one pass: {', '.join(name for name, why in reasons.items() if why == reason)} ({reason})"
        for reason in dict.fromkeys(reasons.values())
    ]


def _fit(fit: Mapping[str, Any]) -> str:
    """The recipe of a fit, and its learned values."""
    if fit.get("chosen", "") is None:
        return "fit auto: no map helps, so the outputs stay as they are"
    shown = {key: value for key, value in fit.items() if key not in NOT_SHOWN}
    if shown.get("threshold") is not None:
        shown.pop("accepts", None)  # nothing or everything, where there is no threshold
    if "positive_name" in shown:
        shown["positive"] = shown.pop("positive_name")
    learned = ", ".join(f"{key} {_learned_value(value)}" for key, value in shown.items())
    return f"fit {fit['recipe']}: {learned}" if learned else f"fit {fit['recipe']}"


def _advice(advice: Advice, fit: Mapping[str, Any] | None) -> str:
    """The map that helps, with its gain, and how to use it; or that none does."""
    if advice["nll_gain"] is None or advice["interval"] is None:
        return f"none: no map could be fitted to these {advice['samples']} samples"
    low, high = advice["interval"]
    gain = f"{advice['nll_gain']:.4f} [{low:.4f}, {high:.4f}] nats a sample"
    count = len(advice["gains"])
    tried = (
        f"{count} {'map' if count == 1 else 'maps'} cross-fitted on {advice['samples']} samples{_not_fitted(advice)}"
    )
    if advice["recipe"] is None:
        return f"none: no map lowers NLL beyond its interval; the best lowers it by {gain} ({tried})"
    use = (
        ""
        if fit is not None
        else f"; --fit {advice['recipe']} --fit-on VALFILE, samples the classifier was not trained on"
    )
    return f"{advice['recipe']} lowers NLL by {gain} ({tried}){use}"


def _not_fitted(advice: Advice) -> str:
    """The maps that were left out, and why the first one was."""
    if not advice["not_fitted"]:
        return ""
    return f"; without {', '.join(advice['not_fitted'])}: {next(iter(advice['not_fitted'].values()))}"


LONGEST_LIST = 8
"""The longest list of numbers that is printed: a threshold a class fits on a line, a map of isotonic regression does not."""


def _is_short(value: Any) -> bool:
    """True for a list of numbers that fits on a line."""
    numbers = isinstance(value, list) and all(isinstance(item, int | float) for item in value)
    return numbers and len(value) <= LONGEST_LIST


def _learned_value(value: Any) -> str:
    """A learned value as text; lists that are too long for a line, and tables of them, are only counted."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if _is_short(value):
        return f"[{', '.join(map(_learned_value, value))}]"
    if (
        isinstance(value, dict)
        and all(map(_is_short, value.values()))
        and sum(map(len, value.values())) <= LONGEST_LIST
    ):
        return f"({', '.join(f'{key} {_learned_value(item)}' for key, item in value.items())})"
    if isinstance(value, list | dict):
        return f"({len(value)} entries, in --json)"
    return str(value)
