"""Finding: one sign of miscalibration, in counts that a user can check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypedDict

from calibench.evaluation.joint_test import JOINT_LEVEL
from calibench.lazy import np
from calibench.metrics.binning import Floats

Kind = Literal["top_label", "class", "label", "soft"]

Answer = Literal["no_sign", "miscalibrated", "too_few", "not_tested"]

RARE = 10
"""Fewer samples than this with a label, predicted and observed, tell nothing about its calibration."""

POWER_80 = 0.8416
"""The 80 % quantile of the standard normal distribution: how far a difference must lie beyond its critical value."""


class Finding(TypedDict):
    """A sign of miscalibration."""

    kind: Kind
    name: str
    """`top label`, the name of a class or label or its number, or `all` for all classes together."""
    predicted: float | None
    """The predicted count: of right answers, or of the class or label. None for all classes together."""
    observed: float | None
    """The observed count."""
    size: float
    """How far predicted and observed are apart, as a fraction of the samples, or the calibration error above chance if that
    is larger."""
    detectable: float | None
    """The gap that this sample would have shown 4 times in 5, as a fraction of the samples. None if it is not known."""
    p: float
    """The p-value, adjusted for everything that was tested."""


class LabelVerdict(TypedDict):
    """The verdict on one of several labels, whether it is a finding or not; the fields are those of a `Finding`."""

    name: str
    calibrated: Answer
    predicted: float
    observed: float
    detectable: float | None
    p: float


class Compared(NamedTuple):
    """J counts as predicted and as observed, the standard error of their differences, and the number of samples."""

    predicted: Floats
    observed: Floats
    error: Floats
    n: float
    """The number of samples, or the sum of their weights."""

    def gaps(self) -> Floats:
        """`|predicted - observed| / n`, `[J]`."""
        return np.abs(self.predicted - self.observed) / self.n

    def detectable(self, critical: float) -> Floats | None:
        """The gaps that are found 4 times in 5 where `critical` is the smallest significant number of standard errors."""
        if not self.error.any():  # a model that is certain of everything: one other answer shows that it is wrong
            return np.full(len(self.error), 1 / self.n)
        if not np.isfinite(critical):
            return None
        gaps: Floats = (critical + POWER_80) * self.error / self.n
        return gaps


def findings_in(
    kind: Kind,
    compared: Compared,
    p: Floats,
    critical: float,
    names: Sequence[str] = (),
    sizes: Floats | None = None,
) -> list[Finding]:
    """A finding for each count with a significant `p [J]`, the largest gap in standard errors first.

    `names` are those of the counts; empty, they are their numbers. `sizes` take the place of the gaps where they are larger.
    """
    gaps, detectable = compared.gaps(), compared.detectable(critical)
    shown = gaps if sizes is None else np.maximum(gaps, sizes)
    order = np.argsort(-gaps / np.where(compared.error > 0, compared.error, 1e-300), kind="stable")
    return [
        Finding(
            kind=kind,
            name=names[place] if len(names) else str(place),
            predicted=float(compared.predicted[place]),
            observed=float(compared.observed[place]),
            size=float(shown[place]),
            detectable=None if detectable is None else float(detectable[place]),
            p=float(p[place]),
        )
        for place in order
        if p[place] <= JOINT_LEVEL
    ]
