"""StreamedJudged: what one pass over a file leaves of its rows, in the place of a `Judged` that holds them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from calibench.errors import RunError
from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged, TopSums
from calibench.outputs.outputs import Outputs


class RowsGoneError(RunError):
    """A figure asked for rows that were read and forgotten."""


class StreamedJudged(Judged):
    """N samples of which sums are left: every figure that is made of sums reads them here as it does in a `Judged`.

    `memo` holds the sums under the keys of the functions that would compute them from rows. Reading anything of single samples
    raises RowsGoneError.
    """

    def __init__(
        self, n: int, num_classes: int, from_probs: bool, top_sums: TopSums, memo: Mapping[Hashable, Any]
    ) -> None:
        self._n, self._from_probs = n, from_probs
        self.num_classes, self.labels_per_sample = num_classes, 1
        self._outputs = self._parent = None
        self._memo = dict(memo)
        self.top_sums = top_sums
        self.soft = self.sample_weight = None
        self._set_decisions(None)

    @property
    def n(self) -> int:
        """N, the number of samples."""
        return self._n

    @property
    def from_probs(self) -> bool:
        """True if the scores were probabilities."""
        return self._from_probs

    @property
    def top_label_only(self) -> bool:
        """False: files that are read in one pass have a column for each class."""
        return False

    @property
    def outputs(self) -> Outputs:
        """The scores are gone."""
        raise RowsGoneError("the scores of a file that is read in one pass are gone", "judge it whole")

    @property
    def _samples(self) -> Any:
        raise RowsGoneError("the samples of a file that is read in one pass are gone", "judge it whole")

    def __getattr__(self, name: str) -> Any:
        """The labels are gone, too."""
        if name == "labels":
            raise RowsGoneError("the labels of a file that is read in one pass are gone", "judge it whole")
        raise AttributeError(name)


def no_samples(num_classes: int) -> StreamedJudged:
    """For the question which metrics apply to samples of K classes with one label, no decisions and no soft labels."""
    return StreamedJudged(0, num_classes, False, TopSums(0.0, 0.0, 0.0), {})


@dataclass(frozen=True)
class ClassSums:
    """What M bins of every class hold, `[K, M]` each; it reads as `metrics.class_bins.ClassBins`, without its entries."""

    counts: Floats
    p_sums: Floats
    square_sums: Floats
    outcomes: Floats
    """The number of labels in each bin of their class."""
    products: Floats
    """The sum of their probabilities."""

    def label_sums(self, per_label: Floats, label_probs: Floats | None = None) -> Floats:
        """The number of labels in each bin; their probabilities are `products`."""
        if label_probs is not None:
            raise RowsGoneError("the rows of a file that is read in one pass are gone", "read `products`")
        return self.outcomes


@dataclass(frozen=True)
class TopBins:
    """What M bins of the confidence c hold, `[M]` each, with c at most 1: the sums of 1, c, c (1 - c) and right answers."""

    count: Floats
    p: Floats
    variance: Floats
    y: Floats

    def filled(self) -> TopBins:
        """Without the empty bins at the end."""
        end = int(np.flatnonzero(self.count)[-1]) + 1
        return TopBins(self.count[:end], self.p[:end], self.variance[:end], self.y[:end])
