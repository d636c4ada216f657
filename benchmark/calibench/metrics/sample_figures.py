"""The kernel's figures of each sample: confidence, tail, prediction, NLL and Brier score."""

from __future__ import annotations

from typing import Any, NamedTuple

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints, read_only
from calibench.outputs.arrays import as_array, like, to_float64, widened
from calibench.outputs.outputs import Outputs

BLOCK_NUMBERS = 1 << 19
"""Scores are converted to float64 a block of rows at a time, each of about so many numbers (4 MB)."""


class SampleFigures(NamedTuple):
    """Figures per sample, `[N]` each, read-only."""

    confidence: Floats
    tail: Floats
    prediction: Ints
    """int32."""
    nll: Floats
    brier: Floats


def sample_figures(outputs: Outputs, labels: Ints) -> SampleFigures:
    """The figures of all samples, on the device of the scores.

    They are in float64 even for narrower scores: one confidence per sample then serves every number of bins. A faster path would
    be exact only near the edges of the bins that it was called for.
    """
    from calibench.kernels import calibration_stats

    if outputs.top_label_only:
        return _of_top_label(to_float64(outputs.given)[:, 0])
    scores, n = outputs.given, len(labels)
    columns: list[Any] = [
        np.empty(n, dtype=np.int32 if name == "prediction" else np.float64) for name in SampleFigures._fields
    ]
    step = max(1, BLOCK_NUMBERS // outputs.num_classes)  # a block at a time, since float64 is a copy
    for start in range(0, n, step):
        block = slice(start, start + step)
        part, of_part = widened(scores[block]), like(scores, labels[block])
        _, samples = calibration_stats(part, of_part, from_probs=outputs.from_probs, return_samples=True)
        for column, values in zip(columns, samples, strict=True):
            column[block] = as_array(values)
    return SampleFigures(*map(read_only, columns))


def _of_top_label(confidence: Floats) -> SampleFigures:
    """Those of answers whose other probabilities are not known: NLL and Brier score are NaN."""
    unknown = np.full(len(confidence), np.nan)
    with np.errstate(divide="ignore"):
        tail = (1 - confidence) / confidence
    answer = np.zeros(len(confidence), dtype=np.int32)
    figures = (read_only(confidence), read_only(tail), read_only(answer), read_only(unknown), read_only(unknown))
    return SampleFigures(*figures)
