"""`evaluate_file`: the record of a file that is judged in one pass, and may be larger than memory."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from calibench.atomic import digest_of
from calibench.evaluation.advice import advise
from calibench.evaluation.evaluation_record import EvaluationRecord
from calibench.evaluation.judge import applicable
from calibench.evaluation.stored_outputs import record_of
from calibench.evaluation.streaming.figures import split, why_not
from calibench.evaluation.streaming.judge import judge_in_one_pass
from calibench.metrics.bootstrap import DEFAULT_SAMPLING, Sampling
from calibench.outputs.readers import BlockFile
from calibench.progress import Report, quiet


def evaluate_file(
    file: BlockFile,
    *,
    metrics: str | None = None,
    sampling: Sampling = DEFAULT_SAMPLING,
    report: Report = quiet,
    block_rows: int | None = None,
) -> tuple[EvaluationRecord, str]:
    """The record of `file`, and a digest of its labels. `block_rows` are read at a time; by default about half a million scores.

    `metrics` and `sampling` as in `evaluate_samples`. The record's `not_streamed` has the reason for each metric of a set that
    one pass cannot compute; one that is named by itself is an InputError.
    """
    chosen, others = split(metrics)
    streamed = judge_in_one_pass(file, chosen, sampling.check(figures_alone=True), report, block_rows)
    record = record_of(streamed.judged, streamed.judgement, chosen)
    advice = None
    if record.calibrated in ("miscalibrated", "too_few") and streamed.rows is not None:
        advice = advise(streamed.rows, sampling.seed, report)
    not_streamed = {name: why_not(metric) or "" for name, metric in applicable(streamed.judged, others).items()}
    not_streamed |= streamed.not_streamed
    digest = digest_of(Path(file.where))
    record = dataclasses.replace(record, advice=advice, not_streamed=not_streamed, file=file.where, sha256=digest)
    return record, streamed.labels_digest
