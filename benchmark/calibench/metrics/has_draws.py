"""HasDraws: the base of figures that labels drawn from the predicted probabilities have: metrics, and counts of a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.judged import Judged

if TYPE_CHECKING:
    from calibench.metrics.floor_counts import FloorCounts


class HasDraws:
    """A figure of drawn labels, `[D]`, or J of them, `[D, J]`. Override `floor_draws`, or the two other methods."""

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats | None:
        """The figure that a perfectly calibrated model with the same probabilities scores, once per draw.

        Each of the D rows of `labels [D, N]` is drawn from the predicted probabilities, as if they were true;
        `correct [D, N]` tells where the label is the predicted class. Return None if such a figure means nothing.
        """
        counts = self.floor_counts(judged)
        return None if counts is None else self.floor_of_counts(judged, counts.of_labels(judged, correct, labels))

    def floor_counts(self, judged: Judged) -> FloorCounts | None:
        """What to count in drawn labels, if the figure follows from it: right answers in cells, or labels in class-wise bins.

        Labels are then drawn and counted by a compiled operator, and `floor_of_counts` is called in place of `floor_draws`.
        """
        return None

    def floor_of_counts(self, judged: Judged, counts: Floats | Ints) -> Floats:
        """The figure of each draw from the counts `[C, D]` that `floor_counts` asked for."""
        raise NotImplementedError(f"{type(self).__name__} has floor_counts() without floor_of_counts()")
