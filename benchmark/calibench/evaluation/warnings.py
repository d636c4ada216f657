"""Warnings about judged samples: facts that make a figure mean less than it seems to, a sentence each."""

from __future__ import annotations

from calibench.evaluation.finding import RARE
from calibench.lazy import np, torch
from calibench.metrics.ece import ECE
from calibench.metrics.judged import Judged
from calibench.metrics.label_answers import labels_by_sample
from calibench.outputs.outputs import Outputs
from calibench.outputs.several_labels import label_scores, yes_no_outputs

CLIP = 1e-12
"""NLL raises a probability of the true class to this."""

LONGEST_LIST = 5


def warnings_about(judged: Judged) -> list[str]:
    """Every warning that holds for these outputs, labels and decisions."""

    def find() -> list[str]:
        found = (_probabilities_as_logits(judged), _clipped(judged), _rare(judged), _whole_sets(judged))
        return [text for text in found if text]

    return judged.memo("warnings", find)


def _probabilities_as_logits(judged: Judged) -> str:
    """Logits that are probability rows: a softmax of probabilities is nearly uniform, and nothing else shows it."""
    if judged.from_probs:
        return ""
    several = judged.labels_per_sample > 1
    scores = label_scores(judged.outputs) if several else judged.outputs.scores
    if not (within_0_and_1(scores) if several else rows_are_probabilities(scores)):
        return ""
    as_probs = yes_no_outputs(scores, True) if several else Outputs(scores, True)
    return as_logits_warning(ECE(15).value(Judged(as_probs, torch.tensor(judged.labels))), several)


def within_0_and_1(scores: torch.Tensor) -> bool:
    """True if no score is below 0 or above 1."""
    values = scores.detach()
    return not (float(values.min()) < 0 or float(values.max()) > 1)


def rows_are_probabilities(scores: torch.Tensor) -> bool:
    """True if every row of `scores [N, K]` could be probabilities."""
    if not within_0_and_1(scores):
        return False
    return torch.allclose(scores.detach().double().sum(dim=1), torch.ones(1, dtype=torch.float64), atol=1e-3)


def as_logits_warning(ece: float, several: bool = False) -> str:
    """That logits look like probabilities; `ece` is the ECE15 that they have as such."""
    what = "all logits lie in [0, 1]" if several else "every row of logits lies in [0, 1] and sums to 1"
    return f"{what}: are they probabilities? As logits they pass through a softmax again; as probs their ECE15 is {100 * ece:.2f} %"


def _clipped(judged: Judged) -> str:
    """Probabilities of the true class that NLL raises to 1e-12: the figure then depends on that number."""
    if not judged.from_probs:
        return ""
    return clipped_warning(int((judged.label_probs < CLIP).sum()), judged.n)


def clipped_warning(count: int, n: int) -> str:
    """That NLL raises `count` of n probabilities; nothing for none."""
    if not count:
        return ""
    were = "is" if count == 1 else "are"
    return f"{count} of {n} probabilities of the true class {were} below {CLIP:g}, and NLL takes them as {CLIP:g}"


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
