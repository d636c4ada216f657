"""Judge a file in one pass: the figures, intervals, noise floors and verdict that sums over blocks of rows give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calibench.evaluation.advice import rows_to_compare
from calibench.evaluation.calibration_test import calibration_test, families
from calibench.evaluation.cross_fit import Samples
from calibench.evaluation.judge import Judgement, about_intervals, applicable, reasons, shown
from calibench.evaluation.streaming.drawn_counts import CLASS_BINS, DrawnCounts, why_not_drawn
from calibench.evaluation.streaming.figures import bins_of, figures
from calibench.evaluation.streaming.intervals import Intervals
from calibench.evaluation.streaming.kept_rows import KeptCells, KeptRows
from calibench.evaluation.streaming.streamed_judged import StreamedJudged, no_samples
from calibench.evaluation.streaming.sums import Sums
from calibench.evaluation.verdict import not_tested, verdict
from calibench.lazy import np
from calibench.metrics.bootstrap import Sampling
from calibench.metrics.classwise_ece import ClasswiseECE
from calibench.metrics.judged import Judged
from calibench.metrics.load import Metrics
from calibench.metrics.metric import Metric
from calibench.metrics.noise_floor import floor_of
from calibench.metrics.redrawn_labels import evenly_spaced, rows_to_redraw
from calibench.metrics.sample_mean import SampleMean
from calibench.outputs.readers import BlockFile
from calibench.progress import Report


@dataclass(frozen=True)
class Streamed:
    """The result of one pass: the judgement, the sums that it comes from, and rows that an advice can be found on."""

    judgement: Judgement
    judged: StreamedJudged
    rows: Samples | None
    not_streamed: dict[str, str]
    """Metrics that turned out to need single samples."""
    labels_digest: str


class _Pass:
    """What is collected while blocks of rows go by."""

    def __init__(self, file: BlockFile, chosen: Mapping[str, Metric], sampling: Sampling) -> None:
        rows, classes = file.rows, file.classes
        self.sampling, self.chosen = sampling, chosen
        bins, of_classes = bins_of(chosen)
        class_bins = {metric.bins for metric in chosen.values() if isinstance(metric, ClasswiseECE)}
        self.why_not_drawn = why_not_drawn(rows, classes) if sampling.resamples else None
        self.draws: DrawnCounts | None = None
        if sampling.resamples and self.why_not_drawn is None:
            self.draws = DrawnCounts(classes, bins | {CLASS_BINS}, class_bins | {CLASS_BINS}, sampling.seed)
        tested = {CLASS_BINS} if self.draws is not None else set()
        means = {name: metric for name, metric in chosen.items() if isinstance(metric, SampleMean)}
        self.sums = Sums(classes, bins, of_classes | tested, means)
        redraws = bool(sampling.resamples) and bool(class_bins) and classes > 2
        self.redrawn = KeptRows(evenly_spaced(rows_to_redraw(rows, classes) if redraws else 0, rows))
        self.cells = KeptCells(rows, class_bins if redraws else ())
        self.compared = KeptRows(rows_to_compare(rows, classes, sampling.seed) if sampling.resamples else np.arange(0))

    def run(self, file: BlockFile, block_rows: int | None, report: Report) -> None:
        """Read all blocks."""
        for block in file.blocks(block_rows):
            judged = Judged(block.outputs, block.labels)
            self.sums.add(judged)
            if self.draws is not None:
                self.draws.add(judged)
            self.cells.add(judged, block.first)
            self.redrawn.add(block)
            self.compared.add(block)
            report("rows", block.first + judged.n, file.rows, "")

    def compared_samples(self, from_probs: bool) -> Samples | None:
        """The rows on which an advice is found; None if figures alone are asked for."""
        return self.compared.samples(from_probs) if self.sampling.resamples else None


def judge_in_one_pass(
    file: BlockFile, metrics: Metrics, sampling: Sampling, report: Report, block_rows: int | None = None
) -> Streamed:
    """All `metrics`, which `figures.why_not` lets through. Memory holds a block of rows, sums, and a bounded number of rows.

    The figures are those of `judge` to rounding, and so are the intervals. Labels are drawn with other random numbers from the
    second block on. Raises InputError naming the file and the first bad row.
    """
    chosen = applicable(no_samples(file.classes), metrics)
    collected = _Pass(file, chosen, sampling)
    collected.run(file, block_rows, report)
    judged = collected.sums.finish(file.where)
    judged.class_names = file.class_names or ()
    estimates, details, late = figures(judged, collected.sums, chosen)
    chosen = {name: metric for name, metric in chosen.items() if name in estimates}
    judgement = _judgement(judged, collected, chosen, estimates, details)
    return Streamed(judgement, judged, collected.compared_samples(file.from_probs), late, collected.sums.labels_digest)


def _judgement(
    judged: StreamedJudged,
    collected: _Pass,
    chosen: Mapping[str, Metric],
    estimates: Mapping[str, float],
    details: dict[str, dict[str, Any]],
) -> Judgement:
    sampling = collected.sampling
    values = {name: value if math.isfinite(value) else None for name, value in estimates.items()}
    finder = Intervals(judged, collected.sums, collected.redrawn, collected.cells)
    bounds = {
        name: finder.of(name, metric, sampling) if sampling.resamples and values[name] is not None else None
        for name, metric in chosen.items()
    }
    drawn = {} if collected.draws is None else collected.draws.figures(judged, {**chosen, **families(judged)})
    if collected.draws is None:
        judgement_verdict = not_tested(judged, collected.why_not_drawn)
    else:
        judgement_verdict = verdict(judged, calibration_test(judged, drawn, sampling.seed), drawn)
    return Judgement(
        metrics=values,
        intervals=shown(bounds),
        no_interval=reasons(bounds),
        noise_floor={name: floor_of(drawn[name]) for name in chosen if name in drawn},
        details=details,
        replicates={},
        bootstrap=about_intervals(chosen if sampling.resamples else {}, sampling, drawn=collected.draws is not None),
        verdict=judgement_verdict,
    )
