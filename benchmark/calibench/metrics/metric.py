"""Metric: the base class of all metrics. A metric needs `value`; every other method is optional."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.has_draws import HasDraws
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import draws_of
from calibench.metrics.no_interval import BIASED, NoInterval

if TYPE_CHECKING:
    from calibench.metrics.gap_figure import GapFigure
    from calibench.metrics.resamples import Resamples

Scalar: TypeAlias = int | float | str | bool | None
Details: TypeAlias = dict[str, Scalar | list[Scalar]]


class Metric(HasDraws, ABC):
    """One figure of a `Judged`: the outputs, labels and decisions of N samples. Subclass it and write `value`.

    ```python
    class Overconfidence(calibench.Metric):
        def value(self, judged):
            return float(judged.confidence.mean() - judged.correct.mean())
    ```

    `judged` offers read-only numpy arrays: `labels`, `prediction`, `confidence`, `correct`, `nll`, `brier` and `tail` `[N]`,
    `probs [N, K]`, and if they exist `decisions [N]`, `sets [N, K]`, `costs` and `soft [N, K]`; `judged.py` defines them.

    A `MetricSpec` registers the class, which is built as `target(**options)`. The record then holds the figure and its
    bootstrap interval. Override more only if you need it:

    | method | override it if |
    |---|---|
    | `applies` | the figure needs sets, costs, soft labels or several labels per sample, which some runs lack |
    | `resampled` | 1 000 calls of `value` take too long |
    | `floor_draws` | even a perfectly calibrated model scores above 0, as with ECE: the record then shows that noise floor |
    | `floor_counts`, `floor_of_counts` | the same, fast: the figure of drawn labels follows from counts of them |
    | `details` | the record should hold more than one number |

    Is the figure a mean over samples? Then subclass `calibench.metrics.sample_mean.SampleMean` and write `per_sample`: its
    `resampled` is fast. Does it follow from how often each sample counts? Then `weighted_metric.WeightedMetric` needs
    `resampled` alone.
    """

    bias_corrected: ClassVar[bool] = False
    """True for figures that are larger in a resample than in the sample, as binned calibration errors are.

    The bootstrap then shifts replicates back to the estimate. Such a figure has an interval only if it has a `gap_figure`.
    """

    takes_weights: ClassVar[bool] = False
    """True if the figure, its details and its draws heed `judged.sample_weight`. If not, it is refused for weighted samples.

    `sample_weight.py` has the weighted mean. The figure must not depend on the unit of the weights.
    """

    of_top_label: ClassVar[bool] = False
    """True if the figure needs no more than the confidence of each answer and whether it is right. All other figures are left
    out where only these are known (`outputs/top_label.py`)."""

    def applies(self, judged: Judged) -> bool:
        """False if `judged` lacks an input of the figure, such as sets of classes. The record then leaves the figure out."""
        return True

    @abstractmethod
    def value(self, judged: Judged) -> float:
        """The figure, in the unit of its spec; NaN if it is undefined, and the record then shows null."""

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """The figure of each of B bootstrap resamples, `[B]`.

        `weights[b, i]` of `weights [B, N]` says how often resample b contains sample i: a whole number in float64. If the samples
        are weighted (see `takes_weights`), it is this number times `judged.sample_weight[i]`. Each resample contains at
        least one sample of a weight above 0. This default calls `value` once per resample. An override must agree with
        it to 1e-12. Keep values that do not depend on the weights in `judged.memo`: a run calls `resampled` for many blocks.
        """
        rows = np.arange(judged.n).reshape(-1, judged.labels_per_sample)  # answers of one sample stay together
        counts = draws_of(judged, weights)[:, :: judged.labels_per_sample].astype(np.int64)
        resamples = (np.repeat(rows, count, axis=0).ravel() for count in counts)
        return np.array([self.value(judged.take(index)) for index in resamples], dtype=np.float64)

    def of_resamples(self, judged: Judged, resamples: Resamples) -> Floats:
        """The same figures, `[B]`, of a block of resamples; this default calls `resampled` on their weights.

        An override takes the sums that it needs from `resamples`, which is faster and needs no weights in float64. It must
        agree with `resampled` to 1e-9. A resample without any judged sample may have any figure.
        """
        return np.concatenate([self.resampled(judged, weights) for weights in resamples.weights()])

    def gap_figure(self, judged: Judged) -> GapFigure | NoInterval:
        """The figure as one of gap sums, for metrics that are biased near 0: the interval is then that of `gap_interval`.

        Or the reason why this sample gives no interval.
        """
        return BIASED

    def details(self, judged: Judged) -> Details:
        """More to record beside the figure: JSON scalars, or lists of them, by name."""
        return {}
