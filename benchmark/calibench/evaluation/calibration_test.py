"""The test of calibration: everything in one set of outputs that could show miscalibration, at one joint level.

One label a sample: the number of right answers against the sum of confidences, ECE15 of the top label, the count of every
class against the sum of its probabilities, and the class-wise ECE15. Several labels: the count and the ECE15 of every label.
Soft labels: the shares of people in place of labels (`soft_test.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from calibench.evaluation.counts import ClassCounts, LabelCounts, RightAnswers
from calibench.evaluation.finding import RARE, Answer, Compared, Finding, LabelVerdict, findings_in
from calibench.evaluation.joint_test import JOINT_LEVEL, joint_test
from calibench.evaluation.label_ece import LabelECE
from calibench.evaluation.soft_test import soft_findings
from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.classwise_ece import ClasswiseECE
from calibench.metrics.ece import ECE
from calibench.metrics.has_draws import HasDraws
from calibench.metrics.judged import Judged

BINS = 15

RIGHT, CLASSES, LABELS, LABEL_ECE = "right answers", "class counts", "label counts", "label ece"
TOP_ECE, CLASSWISE = f"ece{BINS}", f"classwise_ece{BINS}"
"""Two families are metrics and have the metric's name, so that their draws serve the noise floor too."""


class Tested(NamedTuple):
    """The findings, and the gap of the top label (of several labels the largest gap) that is found 4 times in 5."""

    findings: list[Finding]
    detectable: float | None
    by_label: list[LabelVerdict]
    """The verdict on each label, where samples have several."""


def families(judged: Judged) -> dict[str, HasDraws]:
    """The figures whose draws `calibration_test` needs, by name."""
    if judged.soft is not None:
        return {}
    if judged.labels_per_sample > 1:
        return {LABELS: LabelCounts(judged), LABEL_ECE: LabelECE(judged, BINS)}
    if judged.top_label_only:
        return {RIGHT: RightAnswers(judged), TOP_ECE: ECE(BINS)}
    return {
        RIGHT: RightAnswers(judged),
        CLASSES: ClassCounts(judged),
        TOP_ECE: ECE(BINS),
        CLASSWISE: ClasswiseECE(BINS),
    }


def calibration_test(judged: Judged, drawn: Mapping[str, Floats], seed: int = 0) -> Tested:
    """The findings in `judged`. `drawn` holds the draws of all its `families`, from `metrics.noise_floor.drawn_figures`."""
    if judged.soft is not None:
        return Tested(*soft_findings(judged, BINS, seed), by_label=[])
    if judged.labels_per_sample > 1:
        return _test_labels(judged, drawn)
    if judged.top_label_only:
        return _test_top_label(judged, drawn)
    return _test_classes(judged, drawn)


def _test_top_label(judged: Judged, drawn: Mapping[str, Floats]) -> Tested:
    """The test of answers whose other probabilities are not known."""
    right = RightAnswers(judged)
    observed = {RIGHT: right.distances(judged), TOP_ECE: np.array([ECE(BINS).value(judged)])}
    draws = {name: drawn[name].reshape(len(drawn[name]), -1) for name in observed}
    test = joint_test(observed, draws)
    compared, critical = right.compared(judged), test.critical[RIGHT]
    above_chance = observed[TOP_ECE] - draws[TOP_ECE].mean(axis=0)
    findings = findings_in(
        "top_label", compared, np.minimum(test.p[RIGHT], test.p[TOP_ECE]), critical, ["top label"], above_chance
    )
    detectable = compared.detectable(critical)
    return Tested(findings, None if detectable is None else float(detectable[0]), by_label=[])


def _test_classes(judged: Judged, drawn: Mapping[str, Floats]) -> Tested:
    right, classes = RightAnswers(judged), ClassCounts(judged)
    observed = {
        RIGHT: right.distances(judged),
        CLASSES: classes.distances(judged),
        TOP_ECE: np.array([ECE(BINS).value(judged)]),
        CLASSWISE: np.array([ClasswiseECE(BINS).value(judged)]),
    }
    draws = {name: drawn[name].reshape(len(drawn[name]), -1) for name in observed}
    test = joint_test(observed, draws)
    above_chance = {name: observed[name] - draws[name].mean(axis=0) for name in (TOP_ECE, CLASSWISE)}
    top_p = np.minimum(test.p[RIGHT], test.p[TOP_ECE])
    compared, critical = right.compared(judged), test.critical[RIGHT]
    findings = findings_in("top_label", compared, top_p, critical, ["top label"], above_chance[TOP_ECE])
    names = judged.class_names or [str(place) for place in range(judged.num_classes)]
    of_classes = findings_in("class", classes.compared(judged), test.p[CLASSES], test.critical[CLASSES], names)
    if judged.num_classes == 2:  # class 0 is the mirror of class 1
        of_classes = [finding for finding in of_classes if finding["name"] == names[1]]
    if test.found(CLASSWISE) and not of_classes:
        size, p = float(above_chance[CLASSWISE][0]), float(test.p[CLASSWISE][0])
        of_classes = [Finding(kind="class", name="all", predicted=None, observed=None, size=size, detectable=None, p=p)]
    detectable = compared.detectable(critical)
    return Tested(findings + of_classes, None if detectable is None else float(detectable[0]), by_label=[])


def _test_labels(judged: Judged, drawn: Mapping[str, Floats]) -> Tested:
    counts, errors = LabelCounts(judged), LabelECE(judged, BINS).observed(judged)
    standard, draws = _standardised(errors, drawn[LABEL_ECE])
    test = joint_test(
        {LABELS: counts.distances(judged), LABEL_ECE: standard}, {LABELS: drawn[LABELS], LABEL_ECE: draws}
    )
    p = np.minimum(test.p[LABELS], test.p[LABEL_ECE])
    compared, critical = counts.compared(judged), test.critical[LABELS]
    sizes = errors - drawn[LABEL_ECE].mean(axis=0)
    detectable = compared.detectable(critical)
    findings = findings_in("label", compared, p, critical, judged.class_names, sizes)
    return Tested(
        findings,
        None if detectable is None else float(detectable.max()),
        _by_label(compared, p, detectable, judged.class_names),
    )


def _by_label(compared: Compared, p: Floats, detectable: Floats | None, names: Sequence[str]) -> list[LabelVerdict]:
    """The verdict on each label: rare ones, and those of which no size could have been found, are too few to tell."""
    verdicts = []
    for place, (predicted, observed) in enumerate(zip(compared.predicted, compared.observed, strict=True)):
        too_few = detectable is None or max(predicted, observed) < RARE
        answer: Answer = "miscalibrated" if p[place] <= JOINT_LEVEL else "too_few" if too_few else "no_sign"
        verdicts.append(
            LabelVerdict(
                name=names[place] if names else str(place),
                calibrated=answer,
                predicted=float(predicted),
                observed=float(observed),
                detectable=None if detectable is None else float(detectable[place]),
                p=float(p[place]),
            )
        )
    return verdicts


def _standardised(observed: Floats, drawn: Floats) -> tuple[Floats, Floats]:
    """Both in standard deviations from the mean of all, figure by figure, so that figures of other scales compare."""
    both = np.concatenate([observed[None, :], drawn])
    spread = both.std(axis=0)
    both = (both - both.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return both[0], both[1:]
