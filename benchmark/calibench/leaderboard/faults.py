"""Figures of a record that cannot be: outside the range of their metric, or a mean outside its own interval."""

from __future__ import annotations

import re
from collections.abc import Iterator

from calibench.records.record import ResultRecord

SHARES = (
    *("accuracy", "balanced_accuracy", "exact_match", "macro_f1", "precision", "recall", "f1", "auroc", "auprc"),
    *("ece", "ece_debiased", "ece_equal_mass", "mce", "classwise_ece", "ece_canonical", "ace", "tace", "rms_ce", "smece"),
    *("ks", "kuiper", "ici", "over_confidence", "under_confidence"),
    *("coverage", "selective_risk", "set_coverage", "aurc", "augrc", "e_aurc"),
)  # fmt: skip

RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(SHARES, (0.0, 1.0)),
    **dict.fromkeys(("brier", "soft_brier", "refinement_brier", "unc"), (0.0, 2.0)),
    **dict.fromkeys(("nll", "soft_nll", "refinement_nll", "set_size"), (0.0, float("inf"))),
}
"""The least and the greatest value of metrics that have one, without the number of bins at the end of the name.

Estimates that may fall below 0, such as `skce` and `calibration_nll`, are not among them, nor are metrics of other plugins.
"""

_BINS = re.compile(r"\d+\Z")

ROUNDING = 1e-9
"""A sum of many float32 numbers may exceed its bound by so much."""


def faults_of(record: ResultRecord) -> Iterator[str]:
    """Each figure of the record that cannot be, as a sentence.

    A calibration error may lie outside its own interval, which is one of the population value; the mean of samples may not.
    """
    methods = record.bootstrap.get("methods")
    of_mean = methods if isinstance(methods, dict) else {}
    for stage, seconds in record.timings_s.items():
        if seconds < 0:
            yield f"{stage} took {seconds:.6g} s"
    for name, value in record.metrics.items():
        bounds = record.intervals.get(name)
        if bounds is not None and not bounds[0] <= bounds[1]:
            yield f"the interval of {name} goes from {bounds[0]:.6g} to {bounds[1]:.6g}"
        if value is None:
            continue
        least, most = _range_of(name)
        if not least - ROUNDING <= value <= most + ROUNDING:
            yield f"{name} is {value:.6g}, {f'and cannot be under {least:g}' if value < least else f'and cannot be over {most:g}'}"
        elif bounds is not None and of_mean.get(name) == "mean":
            slack = ROUNDING * max(1.0, abs(value))
            if not bounds[0] - slack <= value <= bounds[1] + slack:
                yield f"{name} is {value:.6g}, outside its own interval [{bounds[0]:.6g}, {bounds[1]:.6g}]"


def _range_of(name: str) -> tuple[float, float]:
    """The range of a metric, with any number of bins, or of its mean over the variants of a shift."""
    if name.startswith("shift_"):
        name = next((n for n in _WITH_BINS_LAST if name.startswith(f"shift_{n}")), name)
    return RANGES.get(name) or RANGES.get(_BINS.sub("", name), (-float("inf"), float("inf")))


_WITH_BINS_LAST = sorted(RANGES, key=len, reverse=True)
"""The longest name first, so that `ece_debiased` is not taken for `ece`."""
