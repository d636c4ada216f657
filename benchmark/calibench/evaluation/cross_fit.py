"""Cross-fitting: every sample is mapped by post-hoc stages that were fitted on the other folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from calibench.config.grammar import Bound
from calibench.errors import InputError
from calibench.lazy import np, torch
from calibench.metrics.binning import Ints
from calibench.outputs.arrays import Labels
from calibench.outputs.outputs import Outputs
from calibench.outputs.stored_outputs import tensors_of
from calibench.seeds import seeded

FOLDS = 5

Samples: TypeAlias = "tuple[Outputs, Labels]"
"""Outputs and labels, checked."""


def fold_of(labels: Ints, folds: int, labels_per_sample: int = 1, seed: int = 0) -> Ints:
    """The fold of each sample, `[N]`: each class spread evenly, in an order drawn from `seed`; no fold differs by much.

    Samples with several labels are spread without regard to them. InputError for fewer than 2 folds, or samples than folds.
    """
    n = len(labels) // labels_per_sample
    if not 2 <= folds <= n:
        raise InputError(f"{folds} folds of {n} samples", "use at least 2, and no more than there are samples")
    order = np.random.Generator(np.random.PCG64(seed)).permutation(n)
    if labels_per_sample == 1:
        order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(n, dtype=np.int64)
    fold[order] = np.arange(n) % folds
    return fold


def cross_fitted(stages: Sequence[Bound], samples: Samples, folds: Ints, seed: int = 0) -> Outputs:
    """The outputs, each row calibrated by a chain that was fitted on the samples of the other `folds [N]`, as float64.

    RunError if a stage cannot be fitted without one of the folds.
    """
    from calibench.recipe.posthoc import PostHoc

    outputs, labels = tensors_of(*samples)
    per_sample = outputs.labels_per_sample
    mapped: torch.Tensor | None = None
    from_probs = False
    for fold in range(int(folds.max()) + 1):
        chain = PostHoc(stages, outputs.num_classes, per_sample)
        with seeded(seed):
            chain.fit(*take_samples((outputs, labels), np.flatnonzero(folds != fold)))
            part, _ = chain.judged(take_samples((outputs, labels), np.flatnonzero(folds == fold))[0], decide=False)
        if mapped is None:
            mapped, from_probs = torch.empty(len(labels), outputs.num_classes, dtype=torch.float64), part.from_probs
        mapped[torch.from_numpy(np.repeat(folds == fold, per_sample))] = part.scores.double()
    assert mapped is not None
    return Outputs(mapped, from_probs, labels_per_sample=per_sample)


def take_samples(samples: Samples, rows: Ints) -> tuple[Outputs, torch.Tensor]:
    """The samples `rows`, each with all its labels, as tensors."""
    outputs, labels = tensors_of(*samples)
    per_sample = outputs.labels_per_sample
    answers = torch.from_numpy((rows[:, None] * per_sample + np.arange(per_sample)).ravel())
    chosen = Outputs(outputs.scores[answers], outputs.from_probs, outputs.one_vs_rest, per_sample)
    return chosen, labels[answers]
