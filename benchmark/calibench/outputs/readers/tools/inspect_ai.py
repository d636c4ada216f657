"""Read logs of inspect_ai, `.eval` or `.json`: the confidence of each answer, from its score's metadata or its log-probability."""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from calibench.errors import InputError, did_you_mean
from calibench.files.memory_limit import refuse_beyond_memory
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.readers.formats.json import GROWTH, parsed
from calibench.outputs.readers.tools.answers import answers
from calibench.plugins.params import Param
from calibench.plugins.specs import ReaderSpec

_PARAMS = (
    Param("scorer", "str", None, "the scorer whose scores are read; not set: the only one"),
    Param("confidence", "str", "confidence", "the entry of the score's or sample's metadata that holds the confidence"),
)

JSON_LOG = ReaderSpec(
    name="inspect",
    suffixes=(".json",),
    starts=(b"{",),
    marks=('"eval"', '"status"', '"plan"'),
    target="calibench.outputs.readers.tools.inspect_ai:read_inspect",
    summary="Logs of inspect_ai as JSON: the confidence of each answer and its score.",
    params=_PARAMS,
)

EVAL_LOG = ReaderSpec(
    name="inspect-eval",
    suffixes=(".eval",),
    target="calibench.outputs.readers.tools.inspect_ai:read_inspect",
    summary="Logs of inspect_ai as .eval.",
    params=_PARAMS,
)

SPECS = [JSON_LOG, EVAL_LOG]

RIGHT, WRONG = ("C", "1", "1.0", "true", "correct"), ("I", "0", "0.0", "false", "incorrect")
"""Values of a score; partial and missing answers (P, N) are left out."""


def read_inspect(path: Path, columns: Columns, scorer: str | None = None, confidence: str = "confidence") -> Content:
    """Confidence and correctness of each sample's answer.

    The confidence is the entry `confidence` of the score's metadata, or of the sample's, a fraction or a percentage; else the
    probability of the token that is the answer, where log-probabilities were logged. Partial answers are left out. Raises
    InputError for a scorer that is not there, and if no sample has a confidence.
    """
    found: list[float | None] = []
    corrects: list[bool] = []
    partial, scorers = 0, set[str]()
    for sample in _samples(path):
        scores = sample.get("scores") or {}
        scorers |= set(scores)
        name = scorer if scorer is not None else next(iter(scores), None)
        if name not in scores:
            continue
        value = str(scores[name].get("value"))
        if value not in RIGHT and value.lower() not in RIGHT and value not in WRONG and value.lower() not in WRONG:
            partial += 1
            continue
        corrects.append(value in RIGHT or value.lower() in RIGHT)
        found.append(_confidence(sample, scores[name], confidence))
    if scorer is not None and scorer not in scorers:
        raise InputError(f"{path}: there is no scorer {scorer!r}", did_you_mean(scorer, scorers))
    if scorer is None and len(scorers) > 1:
        names = sorted(scorers)
        raise InputError(
            f"{path}: it has the scorers {', '.join(names)}", f"choose one: --format inspect:scorer={names[0]}"
        )
    known = [value for value in found if value is not None]
    if known and max(known) > 1:
        found = [None if value is None else value / 100 for value in found]
    what = "inspect_ai: the confidence of each answer"
    if partial:
        what += f"; {partial} answers are neither right nor wrong and left out"
    return answers(found, corrects, path, what)


def _samples(path: Path) -> Iterator[Mapping[str, Any]]:
    if not zipfile.is_zipfile(path):
        document = parsed(path)
        yield from (document.get("samples") or ()) if isinstance(document, Mapping) else ()
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.startswith("samples/")]
            refuse_beyond_memory(path, GROWTH * sum(member.file_size for member in members))
            for member in members:
                yield json.loads(archive.read(member))
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}", "inspect log dump FILE writes it as JSON") from None


def _confidence(sample: Mapping[str, Any], score: Mapping[str, Any], name: str) -> float | None:
    for metadata in (score.get("metadata"), sample.get("metadata")):
        value = (metadata or {}).get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    answer = str(score.get("answer") or "").strip()
    choices = (sample.get("output") or {}).get("choices") or [{}]
    tokens = ((choices[0].get("logprobs") or {}).get("content")) or []
    found = [token for token in tokens if answer and str(token.get("token")).strip() == answer]
    return min(math.exp(float(found[-1]["logprob"])), 1.0) if found else None
