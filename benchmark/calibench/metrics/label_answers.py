"""Answers and labels of samples with several labels, one column per label."""

from __future__ import annotations

from calibench.metrics.binning import Floats, Ints
from calibench.metrics.judged import Judged


def has_several_labels(judged: Judged) -> bool:
    """True if a sample has several labels, Q > 1."""
    return judged.labels_per_sample > 1


def answers_by_label(judged: Judged) -> Ints:
    """The answers `[N, Q]`: the decisions (-1 abstains), or the more probable answers if no rule decided."""
    answers = judged.prediction if judged.decisions is None else judged.decisions
    return answers.reshape(-1, judged.labels_per_sample)


def labels_by_sample(judged: Judged) -> Ints:
    """The labels `[N, Q]`, 0 or 1."""
    return judged.labels.reshape(-1, judged.labels_per_sample)


def sample_weights(judged: Judged, weights: Floats) -> Floats:
    """Weights of samples `[B, N]` from those of answers, `[B, N Q]`: the Q answers of a sample have equal weights."""
    return weights[:, :: judged.labels_per_sample]
