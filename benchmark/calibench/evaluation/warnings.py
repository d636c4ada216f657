"""Warnings about judged samples: facts that make a figure mean less than it seems to, a sentence each."""

from __future__ import annotations

from typing import Any

from calibench.evaluation.finding import RARE
from calibench.lazy import np
from calibench.metrics.ece import ECE
from calibench.metrics.judged import Judged
from calibench.metrics.label_answers import labels_by_sample
from calibench.outputs.arrays import row_sums
from calibench.outputs.outputs import SUM_TOLERANCE
from calibench.outputs.several_labels import yes_no_outputs, yes_scores
from calibench.outputs.stored_outputs import outputs_of

CLIP = 1e-12
"""NLL raises a probability of the true class to this."""

LONGEST_LIST = 5


def warnings_about(judged: Judged) -> list[str]:
    """Every warning that holds for these outputs, labels and decisions."""

    def find() -> list[str]:
        found = (
            _probabilities_as_logits(judged),
            _clipped(judged),
            _rare(judged),
            _whole_sets(judged),
            _idle_rule(judged),
        )
        return [text for text in found if text]

    return judged.memo("warnings", find)


def _probabilities_as_logits(judged: Judged) -> str:
    """Logits that are probability rows: a softmax of probabilities is nearly uniform, and nothing else shows it."""
    if judged.from_probs:
        return ""
    several = judged.labels_per_sample > 1
    scores = judged.scores
    if several:
        scores = yes_scores(scores, False, judged.labels_per_sample)
    if not (within_0_and_1(scores) if several else rows_are_probabilities(scores)):
        return ""
    as_probs = yes_no_outputs(scores, True) if several else outputs_of(scores, True)
    return as_logits_warning(ECE(15).value(Judged(as_probs, judged.labels)), several)


def within_0_and_1(scores: Any) -> bool:
    """True if no score is below 0 or above 1."""
    return not (float(scores.min()) < 0 or float(scores.max()) > 1)


def rows_are_probabilities(scores: Any) -> bool:
    """True if every row of `scores [N, K]` could be probabilities."""
    return within_0_and_1(scores) and float(abs(row_sums(scores) - 1).max()) <= SUM_TOLERANCE


def as_logits_warning(ece: float, several: bool = False) -> str:
    """That logits look like probabilities; `ece` is the ECE15 that they have as such."""
    what = "all logits lie in [0, 1]" if several else "every row of logits lies in [0, 1] and sums to 1"
    return f"{what}: are they probabilities? As logits they pass through a softmax again; as probs their ECE15 is {100 * ece:.2f} %"


def _clipped(judged: Judged) -> str:
    """Probabilities of the true class that NLL raises to 1e-12: the figure then depends on that number."""
    if not judged.from_probs or judged.top_label_only:
        return ""
    return clipped_warning(int((judged.label_probs < CLIP).sum()), judged.n)


def clipped_warning(count: int, n: int) -> str:
    """That NLL raises `count` of n probabilities; nothing for none."""
    if not count:
        return ""
    were = "is" if count == 1 else "are"
    return f"{count} of {n} probabilities of the true class {were} below {CLIP:g}, and NLL takes them as {CLIP:g}"


def unclipped_after(before: Judged, after: Judged) -> list[str]:
    """That a fit turned probabilities into logits, of which NLL raises none, so that its two figures follow two rules."""
    if not before.from_probs or after.from_probs or before.top_label_only:
        return []
    count = int((after.label_probs < CLIP).sum())
    if not count:
        return []
    were = "is" if count == 1 else "are"
    return [
        f"after the fit {count} of {after.n} {were} below {CLIP:g}, and NLL takes them as they are: "
        f"from a file that apply writes it takes them as {CLIP:g}"
    ]


def _rare(judged: Judged) -> str:
    """Labels, of samples with several, that too few samples have or are expected to have."""
    if judged.labels_per_sample == 1:
        return ""
    labels = labels_by_sample(judged)
    observed, expected = labels.sum(axis=0), judged.probs[:, 1].reshape(labels.shape).sum(axis=0)
    rare = [str(place) for place in np.flatnonzero((observed < RARE) & (expected < RARE))]
    if not rare:
        return ""
    named = ", ".join(rare[:LONGEST_LIST]) + (" and others" if len(rare) > LONGEST_LIST else "")
    noun = "label" if len(rare) == 1 else "labels"
    return f"too few to tell for {noun} {named}: fewer than {RARE} samples have it"


def _whole_sets(judged: Judged) -> str:
    """Sets that hold every class rule nothing out."""
    if judged.sets is None:
        return ""
    count = int(judged.sets.all(axis=1).sum())
    if not count:
        return ""
    return f"{count} of {judged.n} sets hold every class, so they rule nothing out"


def _idle_rule(judged: Judged) -> str:
    """A rule whose every answer is the most probable one might as well be left out."""
    if judged.decisions is None or judged.sets is not None or (judged.decisions != judged.prediction).any():
        return ""
    return "the decision rule changes no answer: it gives every sample its most probable class"
