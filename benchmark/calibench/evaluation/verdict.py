"""The verdict on a set of outputs: calibrated or not, by everything that is known, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibench.evaluation.calibration_test import BINS, TOP_ECE, Tested
from calibench.evaluation.finding import Answer, Finding, LabelVerdict
from calibench.evaluation.warnings import warnings_about
from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.ece import ECE
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import mean_of, total_of

TOO_FEW = 0.1
"""Samples that would miss a gap as large as this between predicted and observed are too few for `no_sign`."""

SLIGHT, STRONG = 0.01, 0.05
"""Gaps below and above which miscalibration is called slight and strong."""

LONGEST_LIST = 3
"""How many classes or labels the sentence names."""


@dataclass(frozen=True)
class Verdict:
    """`calibrated`, with the `findings` and the `sentence`; `detectable` is the gap that is found 4 times in 5."""

    calibrated: Answer
    sentence: str
    findings: list[Finding]
    detectable: float | None
    mean_confidence: float
    by_label: list[LabelVerdict]
    warnings: list[str]

    def fields(self) -> dict[str, Any]:
        """The fields of a record that hold the verdict."""
        return {
            "verdict": self.sentence,
            "calibrated": self.calibrated,
            "findings": self.findings,
            "detectable": self.detectable,
            "mean_confidence": self.mean_confidence,
            "bins": BINS,
            "labels": self.by_label or None,
            "warnings": self.warnings,
        }


def verdict(judged: Judged, tested: Tested, drawn: Mapping[str, Floats]) -> Verdict:
    """The verdict from the test of calibration; `drawn` holds the draws of ECE15, which the sentence quotes."""
    calibrated = _answer(tested)
    sentence = f"{_beginning(judged, tested, calibrated)}: {'; '.join(_reasons(judged, tested, drawn, calibrated))}"
    mean = judged.top_sums.confidence / total_of(judged)
    warnings = warnings_about(judged)
    return Verdict(calibrated, sentence, tested.findings, tested.detectable, mean, tested.by_label, warnings)


def not_tested(judged: Judged, reason: str | None = None) -> Verdict:
    """In place of a verdict, where figures alone are asked for, or for another `reason`."""
    sentence = f"not tested, since {reason or '0 resamples ask for figures alone'}: {_means(judged)}"
    mean = judged.top_sums.confidence / total_of(judged)
    return Verdict("not_tested", sentence, [], None, mean, [], warnings_about(judged))


def _answer(tested: Tested) -> Answer:
    if tested.findings:
        return "miscalibrated"
    return "too_few" if tested.detectable is None or tested.detectable > TOO_FEW else "no_sign"


def _samples(judged: Judged) -> int:
    """The number of samples; of weighted ones those of a weight above 0, which is the sum of their weights."""
    return round(total_of(judged)) // judged.labels_per_sample


def _beginning(judged: Judged, tested: Tested, calibrated: str) -> str:
    n = _samples(judged)
    samples = f"{n} {'' if judged.sample_weight is None else 'weighted '}sample{'s' if n > 1 else ''}"
    if judged.labels_per_sample > 1:
        samples += f" of {judged.labels_per_sample} labels"
    if calibrated == "no_sign":
        return f"no sign of miscalibration in {samples}"
    if calibrated == "too_few":
        return f"too few to tell: {samples}"
    top = next((finding for finding in tested.findings if finding["name"] == "top label"), None)
    return "miscalibrated" if top is None else f"miscalibrated, {_direction(top, n)}"


def _direction(top: Finding, n: int) -> str:
    """How large the error of the top label is, and its sign."""
    size = top["size"]
    word = "slightly " if size < SLIGHT else "strongly " if size >= STRONG else ""
    assert top["predicted"] is not None
    assert top["observed"] is not None
    gap = (top["predicted"] - top["observed"]) / n
    if abs(gap) < size / 2:
        return f"{word}over-confident in some bins, under-confident in others"
    return f"{word}{'over' if gap > 0 else 'under'}-confident"


def _reasons(judged: Judged, tested: Tested, drawn: Mapping[str, Floats], calibrated: str) -> list[str]:
    n = _samples(judged)
    reasons = _counts([f for f in tested.findings if f["name"] != "top label"], n)
    if TOP_ECE in drawn and judged.soft is None:
        ece, p95 = ECE(BINS).value(judged), float(np.quantile(drawn[TOP_ECE], 0.95))
        chance = f"a perfectly calibrated model stays under {_percent(p95)} in 95 of 100 draws"
        reasons.append(f"ECE15 {_percent(ece)}, {chance}")
    reasons.append(_means(judged))
    if calibrated != "miscalibrated" and tested.detectable is not None:
        what = "a gap" if judged.labels_per_sample == 1 else "a gap in any label's count"
        found = f"{what} of {_percent(tested.detectable)} would have been found 4 times in 5"
        reasons.append(found if calibrated == "no_sign" else f"only {found}")
    return reasons


def _means(judged: Judged) -> str:
    confidence = f"mean confidence {_percent(judged.top_sums.confidence / total_of(judged))}"
    if judged.soft is not None:
        shares = judged.soft[np.arange(judged.n), judged.prediction]
        return f"{confidence}, share of people who agree {_percent(mean_of(judged, shares))}"
    return f"{confidence}, accuracy {_percent(judged.top_sums.correct / total_of(judged))}"


def _counts(findings: Sequence[Finding], n: int) -> list[str]:
    """`class 1: 102 predicted, 7 observed` for the first findings, and the number of the others.

    Where the counts agree, what differs is the calibration error, which then stands beside them.
    """
    texts = []
    for finding in findings[:LONGEST_LIST]:
        if finding["predicted"] is None or finding["observed"] is None:
            texts.append(f"the classes together: class-wise ECE15 {_percent(finding['size'])} above chance")
            continue
        noun = "label" if finding["kind"] == "label" else "class"
        predicted, observed = _count(finding["predicted"]), _count(finding["observed"])
        counts = f"{noun} {finding['name']}: {predicted} predicted, {observed} observed"
        off = f", calibration error {_percent(finding['size'])} above chance"
        gap = abs(finding["predicted"] - finding["observed"]) / n
        texts.append(counts + off if gap < finding["size"] / 2 else counts)
    more = len(findings) - LONGEST_LIST
    if more > 0:
        one, several = ("label", "labels") if findings[0]["kind"] == "label" else ("class", "classes")
        texts.append(f"and {more} more {one if more == 1 else several}")
    return texts


def _count(value: float) -> str:
    """A count; sums of probabilities that are small with one decimal."""
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"
