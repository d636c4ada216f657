"""Where a change of the Brier score or of the NLL comes from: classes, bins of A's confidence, and pairs of answers.

Every sample lies in one part of each kind, so the parts of a kind add up to the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from calibench.evaluation.stored_run import judged_again, sampling_of
from calibench.lazy import np
from calibench.leaderboard.change import Difference
from calibench.leaderboard.comparison import Part, PartKind
from calibench.metrics.binning import Floats, Ints, bin_index
from calibench.metrics.bootstrap import source_of
from calibench.metrics.judged import Judged
from calibench.metrics.resamples import resample_blocks
from calibench.metrics.sample_weight import nonzero
from calibench.records.record import ResultRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

PER_SAMPLE: dict[str, Callable[[Judged], Floats]] = {
    "brier": lambda judged: judged.brier,
    "nll": lambda judged: judged.nll,
}
"""The metrics that are a mean over samples of a proper score."""

BINS = 15
MOST_CLASSES = 40
"""With more classes those of the largest parts stand alone, and the others together."""

ANSWERS = ("both right", "A alone right", "B alone right", "both wrong")


class Run(NamedTuple):
    """A record with its predictions."""

    record: ResultRecord
    arrays: Mapping[str, NDArray[Any]]


class FoundPart(NamedTuple):
    """One part, still without its interval and its word, and its share of the change."""

    part: Part
    change: Difference


class _Seed(NamedTuple):
    """The samples of one seed: the cell of each, and the numbers that are summed in the cells, each `[N]`."""

    judged: Judged
    cells: Ints
    numbers: dict[str, Floats]


def change_parts(metric: str, a: Sequence[Run], b: Sequence[Run]) -> Iterator[FoundPart]:
    """The parts of `metric` (`brier` or `nll`) of paired runs, B less A, one a seed; none if the scores are not there.

    Samples that have several labels are divided by label in place of class.
    """
    sides = [[judged_again(*run) for run in side] for side in (a, b)]
    if any(judged.top_label_only for side in sides for judged in side):
        return
    pairs = list(zip(*sides, strict=True))
    if any(not np.array_equal(one.labels, other.labels) for one, other in pairs):
        return
    sampling = sampling_of(a[0].record)
    for kind, names, cell_of in _kinds(pairs[0][0]):
        seeds = [_Seed(one, cell_of(one, other), _numbers(metric, one, other)) for one, other in pairs]
        shown, seeds = _fewer(names, seeds) if kind == "class" else (names, seeds)
        yield from _parts(kind, shown, seeds, (sampling.resamples, sampling.seed))


def _kinds(judged: Judged) -> Iterator[tuple[PartKind, list[str], Callable[[Judged, Judged], Ints]]]:
    """Each kind with the names of its cells, and what gives the cell of each sample."""
    several = judged.labels_per_sample
    if several > 1:
        names = [f"label {label}" for label in range(several)]
        yield "class", names, lambda one, other: np.arange(one.n) % several
    else:
        yield "class", [str(k) for k in range(judged.num_classes)], lambda one, other: one.labels
    bins = [f"{low / BINS:.3f} - {(low + 1) / BINS:.3f}" for low in range(BINS)]
    yield "confidence", bins, lambda one, other: bin_index(one.confidence, BINS)
    yield "answers", list(ANSWERS), lambda one, other: 2 * (1 - one.is_correct) + (1 - other.is_correct)


def _numbers(metric: str, one: Judged, other: Judged) -> dict[str, Floats]:
    of = PER_SAMPLE[metric]
    return {
        "a": of(one),
        "b": of(other),
        "gap_a": one.confidence - one.correct,
        "gap_b": other.confidence - other.correct,
    }


def _fewer(names: list[str], seeds: list[_Seed]) -> tuple[list[str], list[_Seed]]:
    """With many classes, those of the largest parts, and the others as one cell."""
    if len(names) <= MOST_CLASSES:
        return names, seeds
    sums = np.sum(
        [np.bincount(seed.cells, seed.numbers["b"] - seed.numbers["a"], len(names)) for seed in seeds], axis=0
    )
    kept = np.sort(np.argsort(-np.abs(sums), kind="stable")[:MOST_CLASSES])
    place = np.full(len(names), MOST_CLASSES)
    place[kept] = np.arange(MOST_CLASSES)
    others = f"{len(names) - MOST_CLASSES} others"
    return [*(names[k] for k in kept), others], [seed._replace(cells=place[seed.cells]) for seed in seeds]


def _parts(
    kind: PartKind, names: list[str], seeds: Sequence[_Seed], resampling: tuple[int, int]
) -> Iterator[FoundPart]:
    count = np.array([np.bincount(seed.cells, minlength=len(names)) for seed in seeds], dtype=np.float64)
    sums = {
        name: np.array([np.bincount(seed.cells, seed.numbers[name], len(names)) for seed in seeds])
        for name in seeds[0].numbers
    }
    change = (sums["b"] - sums["a"]) / count.sum(axis=1, keepdims=True)
    filled = np.flatnonzero(count.sum(axis=0))
    drawn = np.mean([_resampled(seed, filled, *resampling) for seed in seeds], axis=0)
    means = {name: values.sum(axis=0)[filled] / count.sum(axis=0)[filled] for name, values in sums.items()}
    for place, cell in enumerate(filled.tolist()):
        of_seed = change[:, cell]
        spread = ((float(of_seed.var(ddof=1)) / len(seeds), len(seeds) - 1),) if len(seeds) > 1 else ()
        a, b, gap_a, gap_b = (float(means[name][place]) for name in ("a", "b", "gap_a", "gap_b"))
        change_of_part = Difference(float(of_seed.mean()), drawn[place], spread)
        n = float(count[:, cell].mean())
        part = Part(kind, names[cell], n, a, b, gap_a, gap_b, change_of_part.estimate, None, None)
        yield FoundPart(part, change_of_part)


def _resampled(seed: _Seed, cells: Ints, resamples: int, stream: int) -> Floats:
    """The change of each of the `cells` in every resample, `[P, B]`."""
    differences = seed.numbers["b"] - seed.numbers["a"]
    columns = [np.where(seed.cells == cell, differences, 0.0) for cell in cells.tolist()]
    source = source_of(seed.judged, None, 0, stream)
    drawn = []
    for block in resample_blocks(source, seed.judged.n, resamples):
        sums, total = block.sums(columns)
        drawn.append(sums / nonzero(total))
    return np.concatenate(drawn, axis=1)
