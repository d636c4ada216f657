"""The intervals of figures of one pass: of means from moments, of calibration errors as figures of gap sums."""

from __future__ import annotations

from functools import cached_property

from calibench.errors import blaming
from calibench.evaluation.streaming.figures import of_bins
from calibench.evaluation.streaming.kept_rows import KeptCells, KeptRows
from calibench.evaluation.streaming.streamed_judged import StreamedJudged, TopBins
from calibench.evaluation.streaming.sums import Sums
from calibench.lazy import np
from calibench.metrics.binning import Ints
from calibench.metrics.bootstrap import Sampling
from calibench.metrics.calibration_error import expected_calibration_error
from calibench.metrics.classwise_ece import UNEXPLAINED, ClasswiseECE
from calibench.metrics.ece import ECE
from calibench.metrics.ece_debiased import DebiasedECE
from calibench.metrics.gap_cells import ClassCells, TopCells
from calibench.metrics.gap_figure import ClasswiseFigure, GapFigure, TopFigure
from calibench.metrics.gap_interval import gap_interval
from calibench.metrics.gap_shapes import CellSums
from calibench.metrics.intervals import INVERSION, method_of
from calibench.metrics.judged import Judged
from calibench.metrics.mean_interval import moments_interval, wilson_interval
from calibench.metrics.metric import Metric
from calibench.metrics.no_interval import BIASED, NoInterval
from calibench.metrics.redrawn_labels import LabelsRedrawn
from calibench.metrics.rms_ce import EqualWidthRms
from calibench.metrics.sample_mean import SampleMean
from calibench.metrics.top_figure import too_few, too_few_of_a_class

ROWS_GONE = NoInterval("the interval of this figure needs all samples at once")


class Intervals:
    """Intervals from the sums, and of the class-wise ECE from the rows that were kept."""

    def __init__(self, judged: StreamedJudged, sums: Sums, rows: KeptRows, cells: KeptCells) -> None:
        self.judged, self.sums, self.rows, self.cells = judged, sums, rows, cells

    def of(self, name: str, metric: Metric, sampling: Sampling) -> list[float] | NoInterval:
        """The bounds `[low, high]` of the population value of a metric, or why there are none."""
        with blaming(f"metric {name!r}"):
            if isinstance(metric, SampleMean):
                return self._of_mean(name, metric, sampling.level)
            if method_of(metric) != INVERSION:
                return BIASED
            figure = self._gap_figure(of_bins(metric))
            return figure if isinstance(figure, NoInterval) else gap_interval(figure, sampling.level, sampling.seed)

    def _of_mean(self, name: str, metric: SampleMean, level: float) -> list[float] | NoInterval:
        moments = self.sums.moments[name]
        if metric.share:
            return list(wilson_interval(moments.total, moments.n, level))
        n = moments.n
        return metric.in_range(moments_interval(n, moments.mean, moments.second / n, moments.third / n, level))

    def _gap_figure(self, metric: Metric) -> GapFigure | NoInterval:
        n = self.judged.n
        if type(metric) is ClasswiseECE:
            return self._classwise_figure(metric)
        if type(metric) not in (ECE, DebiasedECE, EqualWidthRms):
            return ROWS_GONE
        few = too_few(self.judged)
        if few is not None:
            return few
        bins = self.sums.top_bins(metric.bins).filled()  # type: ignore[attr-defined]
        if type(metric) is ECE:
            return TopFigure(_TopSums(bins), lambda gaps: expected_calibration_error(gaps, n))
        count = np.maximum(bins.count, 1)
        return TopFigure(_TopSums(bins), lambda gaps: np.sqrt((gaps**2 / count).sum(axis=-1) / n))

    def _classwise_figure(self, metric: ClasswiseECE) -> GapFigure | NoInterval:
        judged, bins = self.judged, metric.bins
        few = too_few_of_a_class(judged)
        if few is not None:
            return few
        if judged.num_classes == 2:
            table = self.sums.class_sums(bins)
            variance = np.maximum(table.p_sums - table.square_sums, 0)
            of_one = TopBins(table.counts[1], table.p_sums[1], variance[1], table.outcomes[1]).filled()
            return TopFigure(_TopSums(of_one), lambda gaps: expected_calibration_error(gaps, judged.n))
        outputs, labels = self.rows.samples(judged.from_probs)
        cells = _ClassSums(judged, bins, Judged(outputs, labels), self.cells)
        return ClasswiseFigure(cells, judged.n * judged.num_classes) if cells.redrawn.explains() else UNEXPLAINED


class _TopSums(TopCells):
    """Cells of the top label that are whole bins, from their sums."""

    def __init__(self, bins: TopBins) -> None:
        self.sums = CellSums(bins.count, bins.p, bins.variance, bins.y)
        self.count, self.p, self.observed = bins.count, bins.p, bins.p - bins.y
        self.squares, self.weighted = bins.count, False
        self.bin_of_cell = np.arange(len(bins.count))


class _ClassSums(ClassCells):
    """Cells of every class from their sums. Labels are redrawn for the rows that were kept."""

    def __init__(self, judged: Judged, bins: int, kept: Judged, cells: KeptCells) -> None:
        super().__init__(judged, bins)
        self._kept, self._cells = kept, cells

    @cached_property
    def redrawn(self) -> LabelsRedrawn:
        """The probabilities of the kept rows without the gaps of the best guess."""
        return LabelsRedrawn(self._kept, self.bins, self.sums, self.shapes[-1])

    @cached_property
    def _thinned(self) -> tuple[Ints, Ints, Ints]:
        return self._cells.thinned(self.bins)
