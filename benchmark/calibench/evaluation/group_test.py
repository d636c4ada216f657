"""The verdict on each group, at one joint level over all groups: minP of Westfall & Young over what every group shows.

One label a sample: the number of right answers, the count of every class, and ECCE / sigma (`ecce.py`), for each group. Several
labels: the count of every label. A calibrated model has a sign of miscalibration in any group in at most 5 % of files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypedDict

from calibench.evaluation.calibration_test import CLASSES, LABELS, RIGHT
from calibench.evaluation.counts import ClassCounts, Counts, LabelCounts, RightAnswers
from calibench.evaluation.ecce import ECCE
from calibench.evaluation.finding import Answer, Compared, Finding, findings_in
from calibench.evaluation.joint_test import JOINT_LEVEL, JointTest, joint_test
from calibench.evaluation.verdict import TOO_FEW
from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.has_draws import HasDraws
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import total_of

RANGE = "ecce"

STREAM = 7
"""Separates the random stream that reorders draws from the others of a seed."""


class GroupVerdict(TypedDict):
    """What the joint test tells about one group. None where it was not tested."""

    calibrated: Answer
    p: float | None
    """The smallest p-value of the group, adjusted for everything in all groups."""
    at_least: float | None
    """A lower bound on the gap between predicted and observed, a fraction of the group's samples, that holds for all groups
    together with 95 % confidence; 0 where no gap is sure."""
    detectable: float | None
    """The gap of the top label (of several labels the largest gap) that the joint test finds 4 times in 5."""
    findings: list[Finding]
    mean_confidence: float | None
    ecce: float | None
    ecce_sigma: float | None


class GroupFigures(NamedTuple):
    """The figures of one group that the joint test compares with those of drawn labels."""

    judged: Judged
    parts: Mapping[str, HasDraws]
    observed: dict[str, Floats]
    """`[J]` by family."""
    drawn: dict[str, Floats]
    """The largest of each family in each draw, `[D]`."""
    mean_ecce: float
    """The mean ECCE of drawn labels, 0 without one."""


def families(judged: Judged) -> dict[str, HasDraws]:
    """The figures whose draws `group_figures` needs, by name; none where people's shares are judged."""
    if judged.soft is not None:
        return {}
    if judged.labels_per_sample > 1:
        return {LABELS: LabelCounts(judged)}
    return {RIGHT: RightAnswers(judged), CLASSES: ClassCounts(judged), RANGE: ECCE(judged)}


def group_figures(
    judged: Judged, parts: Mapping[str, HasDraws], drawn: Mapping[str, Floats], number: int, seed: int
) -> GroupFigures:
    """The figures of group `number`, from its `families` and their draws.

    The draws of a group are put into an order of its own. Groups of one size share their random numbers draw by draw, and
    without this their largest figure would vary less than that of independent groups.
    """
    observed, largest = {}, {}
    sequence = np.random.SeedSequence((seed, STREAM, number))
    order = np.random.Generator(np.random.PCG64(sequence)).permutation(len(next(iter(drawn.values()))))
    for name, part in parts.items():
        observed[name] = part.distances(judged) if isinstance(part, Counts) else _ecce(part).observed(judged)
        largest[name] = drawn[name].reshape(len(drawn[name]), -1).max(axis=1)[order]
    sigma = _ecce(parts[RANGE]).sigma if RANGE in parts else 0.0
    mean_ecce = float(drawn[RANGE].mean()) * sigma if sigma > 0 else 0.0
    return GroupFigures(judged, parts, observed, largest, mean_ecce)


def _ecce(part: HasDraws) -> ECCE:
    assert isinstance(part, ECCE)
    return part


def untested(judged: Judged) -> GroupVerdict:
    """The verdict on a group that is not tested: figures alone are asked for, or it has no weight, or people's shares."""
    mean = judged.top_sums.confidence / total_of(judged) if total_of(judged) > 0 else None
    return GroupVerdict(
        calibrated="not_tested",
        p=None,
        at_least=None,
        detectable=None,
        findings=[],
        mean_confidence=mean,
        ecce=None,
        ecce_sigma=None,
    )


def group_test(groups: Sequence[GroupFigures]) -> list[GroupVerdict]:
    """The verdict on each group; all share one joint level."""
    names = list(groups[0].observed)
    observed = {name: np.concatenate([group.observed[name] for group in groups]) for name in names}
    drawn = {name: np.stack([group.drawn[name] for group in groups], axis=1) for name in names}
    test = joint_test(observed, drawn)
    ends = {name: np.cumsum([len(group.observed[name]) for group in groups]) for name in names}
    return [
        _verdict(
            group,
            {name: test.p[name][ends[name][place] - len(group.observed[name]) : ends[name][place]] for name in names},
            test,
        )
        for place, group in enumerate(groups)
    ]


def _verdict(group: GroupFigures, p: dict[str, Floats], test: JointTest) -> GroupVerdict:
    several = LABELS in p
    main = LABELS if several else RIGHT
    findings = _label_findings(group, p, test) if several else _class_findings(group, p, test)
    gaps = _compared(group, main).detectable(test.critical[main])
    detectable = None if gaps is None else float(gaps.max())
    bounds = [_surely(_compared(group, name), test.critical[name]) for name in p if name != RANGE]
    ecce = None if several else _ecce(group.parts[RANGE])
    if ecce is not None:
        bounds.append(max(0.0, ecce.value - min(test.critical[RANGE], 1e300) * ecce.sigma))
    few = detectable is None or detectable > TOO_FEW
    return GroupVerdict(
        calibrated="miscalibrated" if findings else "too_few" if few else "no_sign",
        p=float(min(values.min() for values in p.values())),
        at_least=max(bounds),
        detectable=detectable,
        findings=findings,
        mean_confidence=group.judged.top_sums.confidence / total_of(group.judged),
        ecce=None if ecce is None else ecce.value,
        ecce_sigma=None if ecce is None else min(ecce.ratio, 1e300),
    )


def _compared(group: GroupFigures, name: str) -> Compared:
    counts = group.parts[name]
    assert isinstance(counts, Counts)
    return counts.compared(group.judged)


def _surely(compared: Compared, critical: float) -> float:
    """The largest gap, less what the joint test takes for noise, at least 0."""
    bounds = compared.gaps() - min(critical, 1e300) * compared.error / compared.n
    return max(0.0, float(bounds.max()))


def _class_findings(group: GroupFigures, p: dict[str, Floats], test: JointTest) -> list[Finding]:
    """What is wrong with the top label and with classes; ECCE is one of class 1 of two classes, else of the top label."""
    right, classes, names = _compared(group, RIGHT), _compared(group, CLASSES), group.judged.class_names
    ecce = _ecce(group.parts[RANGE])
    size = np.array([ecce.value - group.mean_ecce])
    if group.judged.num_classes > 2:
        top = findings_in("top_label", right, np.minimum(p[RIGHT], p[RANGE]), test.critical[RIGHT], ["top label"], size)
        return top + findings_in("class", classes, p[CLASSES], test.critical[CLASSES], names)
    top = findings_in("top_label", right, p[RIGHT], test.critical[RIGHT], ["top label"])
    of_class_1 = Compared(
        classes.predicted[1:], classes.observed[1:], classes.error[1:], classes.n
    )  # class 0 is its mirror
    p_of_class_1 = np.minimum(p[CLASSES][1:], p[RANGE])
    return top + findings_in(
        "class", of_class_1, p_of_class_1, test.critical[CLASSES], [names[1] if names else "1"], size
    )


def _label_findings(group: GroupFigures, p: dict[str, Floats], test: JointTest) -> list[Finding]:
    names = group.judged.class_names
    return findings_in("label", _compared(group, LABELS), p[LABELS], test.critical[LABELS], names)


def found(verdict: GroupVerdict) -> bool:
    """True if the group shows a sign of miscalibration."""
    return verdict["p"] is not None and verdict["p"] <= JOINT_LEVEL


def worst_first(verdict: GroupVerdict) -> tuple[float, float, float]:
    """The key by which groups stand in order: the gap that is sure, then the p-value, then ECCE / sigma."""
    p, ratio = verdict["p"], verdict["ecce_sigma"]
    return -(verdict["at_least"] or 0.0), 1.0 if p is None else p, -(ratio or 0.0)
