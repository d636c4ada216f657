"""Metric: the class that a plugin author subclasses; `value` alone is enough, the rest is speed or detail."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from typing import Any, ClassVar, TypeAlias

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.judged import Judged

Scalar: TypeAlias = int | float | str | bool | None
Details: TypeAlias = dict[str, Scalar | list[Scalar]]


class Metric(ABC):
    """One figure of a `Judged`. Built as `target(**options)` from its `MetricSpec`; NaN means "undefined here".

    ```python
    class Overconfidence(calibench.Metric):
        def value(self, judged):
            return float(judged.confidence.mean() - judged.correct.mean())
    ```
    """

    bias_corrected: ClassVar[bool] = False
    """True for figures in [0, 1] that resampling inflates (binned calibration errors): replicates are shifted back."""

    def applies(self, judged: Judged) -> bool:
        """False where there is nothing to judge, as without sets of classes: the figure is then left out of the record."""
        return True

    @abstractmethod
    def value(self, judged: Judged) -> float:
        """The figure, in the unit of its spec; NaN when it is undefined."""

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """The figure of each resample, `[B]`, where row b of `weights [B, N]` says how often each sample stands in it.

        Weights are whole numbers in float64, and each row holds at least one sample. An override must equal this
        definition to 1e-12; `judged.memo` keeps what does not depend on the weights.
        """
        rows = np.arange(judged.n).reshape(-1, judged.labels_per_sample)  # the answers of one sample stay together
        times = weights[:, :: judged.labels_per_sample].astype(np.int64)
        taken = (np.repeat(rows, row, axis=0).ravel() for row in times)
        return np.array([self.value(judged.take(index)) for index in taken], dtype=np.float64)

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats | None:
        """What a perfectly calibrated model with these probabilities would score, `[D]`; None if meaningless.

        Each of the D rows of `labels [D, N]` was drawn from the predicted probabilities; `correct [D, N]` says where
        it fell on the predicted class.
        """
        return None

    def details(self, judged: Judged) -> Details:
        """What is recorded beside the figure: JSON scalars, or lists of them."""
        return {}


@functools.cache
def _thread_pools() -> Any:
    """Made once, after numpy has loaded its BLAS: looking for the libraries takes 0.9 ms each time."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def weighted_sums(weights: Floats, columns: Floats) -> Floats:
    """`weights [B, N] @ columns` (`[N]` or `[N, C]`) on one BLAS thread, so that no bit depends on their number."""
    with _thread_pools().limit(limits=1, user_api="blas"):
        return np.asarray(weights @ columns, dtype=np.float64)


def weighted_mean(weights: Floats, values: Floats) -> Floats:
    """Mean of `values [N]` in each resample, `[B]`: `sum w_i v_i / sum w_i`."""
    mean: Floats = weighted_sums(weights, values) / weights.sum(axis=1)
    return mean
