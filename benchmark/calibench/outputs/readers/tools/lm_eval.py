"""Read the samples that lm-evaluation-harness writes with `--log_samples`: log-likelihoods of the choices of each question."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calibench.errors import InputError, did_you_mean
from calibench.lazy import np
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.readers.formats.json import parsed
from calibench.plugins.params import Param
from calibench.plugins.specs import ReaderSpec

SPEC = ReaderSpec(
    name="lm-eval",
    suffixes=(".jsonl", ".json"),
    starts=(b"{", b"["),
    marks=('"doc_id"', '"filtered_resps"'),
    target="calibench.outputs.readers.tools.lm_eval:read_lm_eval",
    summary="Samples of lm-evaluation-harness (--log_samples): a softmax over the choices' log-likelihoods.",
    params=(
        Param("filter", "str", None, "the filter whose rows are read; not set: the only one"),
        Param(
            "length",
            "str",
            "none",
            "what log-likelihoods are divided by: nothing (as acc), characters (as acc_norm) or bytes (as acc_bytes)",
            choices=("none", "chars", "bytes"),
        ),
    ),
)

HINT = "multiple-choice tasks log a log-likelihood for each choice; answers of generate_until have none"


def read_lm_eval(path: Path, columns: Columns, filter: str | None = None, length: str = "none") -> Content:  # noqa: A002
    """Logits `[N, K]`, the log-likelihoods of the choices, with NaN where a question has fewer; labels are the numbers of choices.

    A question stands once a filter; `filter` chooses one. With `length`, a log-likelihood is divided by the number of characters
    or bytes of its choice. Raises InputError naming the question that has no log-likelihoods, or whose target is none of its
    choices.
    """
    rows = _of_filter(parsed(path), filter, path)
    scores = [_log_likelihoods(row, length, path) for row in rows]
    logits = np.full((len(rows), max(map(len, scores))), np.nan)
    for place, values in enumerate(scores):
        logits[place, : len(values)] = values
    labels = np.array([_label(row, len(values), path) for row, values in zip(rows, scores, strict=True)])
    arrays = {"logits": logits, "target": labels, "doc_id": np.array([str(row["doc_id"]) for row in rows])}
    note = f"lm-evaluation-harness: a softmax over the log-likelihoods of {logits.shape[1]} choices"
    if length != "none":
        note += f", each divided by its {'characters' if length == 'chars' else 'bytes'}"
    return Content(arrays, table=False, notes=(note,), logits="logits", label="target")


def _of_filter(rows: Any, name: str | None, path: Path) -> list[Mapping[str, Any]]:
    rows = rows if isinstance(rows, list) else [rows]
    if not all(isinstance(row, Mapping) and "filtered_resps" in row and "doc_id" in row for row in rows):
        raise InputError(f"{path}: not every line is a sample of lm-evaluation-harness", HINT)
    filters = list(dict.fromkeys(str(row.get("filter", "none")) for row in rows))
    if name is not None and name not in filters:
        raise InputError(f"{path}: there is no filter {name!r}", did_you_mean(name, filters))
    if name is None and len(filters) > 1:
        message = f"{path}: each question stands once for each of the filters {', '.join(filters)}"
        raise InputError(message, f"choose one: --format lm-eval:filter={filters[0]}")
    chosen = [row for row in rows if name is None or str(row.get("filter", "none")) == name]
    ids = [row["doc_id"] for row in chosen]
    if len(set(map(str, ids))) < len(ids):
        raise InputError(f"{path}: a doc_id stands twice", "judge the samples of one task at a time")
    return chosen


def _log_likelihoods(row: Mapping[str, Any], length: str, path: Path) -> list[float]:
    """One for each choice; those of `acc_mutual_info` have others behind them, without the question."""
    values = []
    for answer in row["filtered_resps"] if isinstance(row["filtered_resps"], list) else []:
        first = answer[0] if isinstance(answer, list) and len(answer) == 2 else None
        try:
            values.append(float(first))  # type: ignore[arg-type]
        except (TypeError, ValueError):
            values = []
            break
    if "acc_mutual_info" in row:
        values = values[: len(values) // 2]
    if len(values) < 2 or not all(map(math.isfinite, values)):
        raise InputError(f"{path}: doc_id {row['doc_id']}: it has no log-likelihoods of two choices or more", HINT)
    if length == "none":
        return values
    sizes = [len(text) if length == "chars" else len(text.encode()) for text in _choices(row, len(values), path)]
    if not all(sizes):
        raise InputError(f"{path}: doc_id {row['doc_id']}: a choice is empty", "leave out length=")
    return [value / size for value, size in zip(values, sizes, strict=True)]


def _choices(row: Mapping[str, Any], count: int, path: Path) -> Sequence[str]:
    """The texts of the choices, without the space before them."""
    arguments = row.get("arguments")
    requests = list(arguments.values()) if isinstance(arguments, Mapping) else arguments
    texts = []
    for request in requests if isinstance(requests, list) else []:
        parts = list(request.values()) if isinstance(request, Mapping) else request
        if isinstance(parts, list) and len(parts) > 1 and isinstance(parts[1], str):
            texts.append(parts[1].removeprefix(" "))
    if len(texts) < count:
        raise InputError(f"{path}: doc_id {row['doc_id']}: its arguments do not hold the choices", "leave out length=")
    return texts[:count]


def _label(row: Mapping[str, Any], count: int, path: Path) -> int:
    """The number of the right choice, from its number or its text."""
    target = row.get("target")
    text = str(target).strip()
    if text.lstrip("-").isdigit() and 0 <= int(text) < count:
        return int(text)
    choices = [choice.strip() for choice in _choices(row, count, path)] if row.get("arguments") else []
    if choices.count(text) == 1:
        return choices.index(text)
    message = f"{path}: doc_id {row['doc_id']}: the target {text[:40]!r} is none of its {count} choices"
    raise InputError(message, "questions with several right answers cannot be judged")
