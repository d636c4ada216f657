"""Replicates of the figures of groups of samples, from one stream: replicate b of every group is the same resample of all samples.

Means and figures of top-label bins are added up for all groups in one pass, over ranges of (group) and of (group, bin). Other
figures are those of each group in turn, from the same counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from calibench.errors import blaming
from calibench.lazy import np
from calibench.metrics.bin_sums import BinSums, bin_columns
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.bootstrap import Replicates, Sampling, figures_of, replicates_of, source_of, sums_serve
from calibench.metrics.equal_width import BinnedMetric
from calibench.metrics.floor_counts import RightInCells, joint_cells
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric
from calibench.metrics.resamples import Ranges, Resamples, ranges_of, resample_blocks
from calibench.metrics.sample_mean import SampleMean
from calibench.metrics.sample_weight import nonzero
from calibench.progress import Report, quiet

AT_ONCE = 64
"""So many groups are added up together, so that their tables stay small."""


class Group(NamedTuple):
    """One group of the judged samples."""

    rows: Ints
    """Its samples among all, `[n]`, ascending."""
    judged: Judged
    """The outputs, labels and weights of these."""


def group_replicates(
    judged: Judged,
    groups: Sequence[Group],
    metrics: Mapping[str, Metric],
    estimates: Sequence[Mapping[str, float]],
    sampling: Sampling,
    *,
    report: Report = quiet,
) -> list[dict[str, Replicates]]:
    """For each group what `bootstrap(group.judged, ..., rows=group.rows, num_samples=N)` returns, of N samples in all.

    `estimates` are the figures of each group. A resample without any sample of a group is undefined there.
    """
    resamples, _, seed = sampling.check()
    means = {name: metric for name, metric in metrics.items() if is_mean(metric)}
    binned = {name: metric for name, metric in metrics.items() if is_binned(metric)}
    others = {name: metric for name, metric in metrics.items() if name not in means and name not in binned}
    values = {name: np.empty((len(groups), resamples)) for name in metrics}
    starts = range(0, len(groups), AT_ONCE) if means or binned else ()
    layouts = [_Layout(judged, groups[first : first + AT_ONCE], means, binned, first) for first in starts]
    sources = [source_of(group.judged, group.rows, _samples(judged), seed) for group in groups] if others else []
    for block in resample_blocks(source_of(judged, None, 0, seed), judged.n, resamples):
        place = slice(block.first, block.first + block.count)
        for layout in layouts:
            for name, figures in layout.figures(block).items():
                values[name][layout.groups, place] = figures.T
        for number, source in enumerate(sources):
            part = groups[number].judged
            of_group = block.of_subset(source, part.n)
            absent = of_group.total == 0
            for name, metric in others.items():
                figures = figures_of(name, metric, part, of_group)
                values[name][number, place] = np.where(absent, np.nan, figures)
        report("resamples", place.stop, resamples, "")
    return [
        {name: replicates_of(values[name][number], metric, estimates[number][name]) for name, metric in metrics.items()}
        for number in range(len(groups))
    ]


def is_mean(metric: Metric) -> bool:
    """True for a mean over samples, of which the sums of all groups are taken in one pass."""
    return isinstance(metric, SampleMean) and sums_serve(type(metric)) is SampleMean


def is_binned(metric: Metric) -> bool:
    """True for a figure of equal-width bins of the confidence, likewise."""
    return isinstance(metric, BinnedMetric) and sums_serve(type(metric)) is BinnedMetric


def _samples(judged: Judged) -> int:
    return judged.n // judged.labels_per_sample


class _Layout:
    """Some groups side by side: their samples in the order of (group, confidence), and the ranges that are added up."""

    def __init__(
        self,
        judged: Judged,
        groups: Sequence[Group],
        means: Mapping[str, Metric],
        binned: Mapping[str, Metric],
        first: int,
    ) -> None:
        self.groups, self.count = slice(first, first + len(groups)), len(groups)
        self.means, self.binned = means, binned
        group = np.full(judged.n, -1)
        for number, (rows, _) in enumerate(groups):
            group[answers(rows, judged.labels_per_sample)] = number
        order = judged.by_confidence[group[judged.by_confidence] >= 0]
        order = order[np.argsort(group[order], kind="stable")]
        sizes = np.bincount(group[order], minlength=self.count)
        self.of_groups = ranges_of(order, sizes.cumsum())
        self.numbers: list[Floats | Bools] = []
        for name, metric in means.items():
            with blaming(f"metric {name!r}"):
                assert isinstance(metric, SampleMean)
                self.numbers.append(metric.numbers(judged)[order])
        self.columns = bin_columns(judged, order) if binned else None
        self.bins = sorted({metric.bins for metric in binned.values() if isinstance(metric, BinnedMetric)})
        self.of_bins, self.parts = self._joint(judged, group, order)

    def _joint(self, judged: Judged, group: Ints, order: Ints) -> tuple[Ranges, list[Ints]]:
        """The ranges of each combination of group and bins that occurs, and for each number of bins the cell (group, bin) of it."""
        wanted = [RightInCells(judged.bin_index(bins)[order], bins) for bins in self.bins]
        joint, parts = joint_cells([RightInCells(group[order], self.count), *wanted], len(order))
        ranges = ranges_of(order, np.bincount(joint, minlength=len(parts[0])).cumsum())
        return ranges, [parts[0] * bins + part for bins, part in zip(self.bins, parts[1:], strict=True)]

    def figures(self, block: Resamples) -> dict[str, Floats]:
        """The figures `[B, G]` of each mean and binned metric; NaN where a resample has no sample of the group."""
        total, sums = block.range_sums(self.numbers, self.of_groups)
        figures = dict(zip(self.means, sums / nonzero(total), strict=True))
        if self.columns is not None:
            joint = BinSums.of_columns(*block.range_sums(self.columns, self.of_bins))
            merged = {bins: self._merged(joint, bins, part) for bins, part in zip(self.bins, self.parts, strict=True)}
            for name, metric in self.binned.items():
                assert isinstance(metric, BinnedMetric)
                with blaming(f"metric {name!r}"):
                    figures[name] = metric.of_sums(merged[metric.bins])
        return {name: np.where(total == 0, np.nan, values) for name, values in figures.items()}

    def _merged(self, joint: BinSums, bins: int, part: Ints) -> BinSums:
        """The sums of the bins of each group, `[B, G, M]`."""
        sums = joint.merged(part, self.count * bins)

        def by_group(values: Floats) -> Floats:
            return values.reshape(len(values), self.count, bins)

        squares = None if sums.squares is None else by_group(sums.squares)
        coarse, fine, correct, count = map(by_group, (sums.coarse, sums.fine, sums.correct, sums.count))
        return BinSums(coarse, fine, correct, count, squares)


def answers(rows: Ints, labels_per_sample: int) -> Ints:
    """The places of the answers of the samples `rows [n]`, `[n Q]`."""
    if labels_per_sample == 1:
        return rows
    places: Ints = (rows[:, None] * labels_per_sample + np.arange(labels_per_sample)).ravel()
    return places
