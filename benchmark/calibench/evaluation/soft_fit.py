"""Labels to fit on that are drawn from the shares of people who gave each label."""

from __future__ import annotations

from typing import Any

from calibench.data.soft import checked_soft
from calibench.errors import InputError
from calibench.evaluation.cross_fit import Samples
from calibench.lazy import np
from calibench.outputs.arrays import as_tensor, is_tensor


def with_drawn_labels(samples: Samples, shares: Any, seed: int, where: str = "fit_soft") -> Samples:
    """The samples with one label each, drawn from its row of `shares [N, K]`.

    A post-hoc map that minimises a proper score on them is an unbiased estimate of the one for the whole distribution of people's
    answers, and sees no more samples than there are. Source: Monte Carlo temperature scaling with S = 1, arXiv 2603.22879.
    InputError for shares of another shape, or that are none, and for samples with several labels.
    """
    outputs, labels = samples
    if outputs.labels_per_sample > 1:
        raise InputError("soft labels are for one label a sample", f"leave out {where}")
    upper = np.cumsum(checked_soft(shares, len(outputs), outputs.num_classes, where), axis=1)
    point = np.random.Generator(np.random.PCG64(seed)).random(len(upper)) * upper[:, -1]
    drawn = (upper <= point[:, None]).sum(axis=1).astype(np.int64)
    return outputs, as_tensor(drawn) if is_tensor(labels) else drawn
