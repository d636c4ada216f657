"""The figures of a comparison's rows, with paired intervals of their changes, and one joint level for all that is said of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from calibench.errors import InputError
from calibench.evaluation.stored_run import replicates_again
from calibench.lazy import np
from calibench.leaderboard.change import Difference, Figures, difference
from calibench.leaderboard.compare_pairs import Pair, StoredRun
from calibench.leaderboard.comparison import ComparedFigure, ComparedRow, OverDatasets, Word
from calibench.leaderboard.defaults import TOLERANCE
from calibench.leaderboard.grouped_means import GroupedMeans
from calibench.leaderboard.joint_differences import told_apart
from calibench.leaderboard.replicates import PREFIX, QUANTILES
from calibench.leaderboard.task_figures import FEW
from calibench.leaderboard.units import Units
from calibench.records.store import read_predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES, SEED = 2000, 0
"""Of the bootstrap over data sets."""


class Found(NamedTuple):
    """One metric of one pair: the figures of A and of B, and B less A."""

    a: Figures
    b: Figures
    change: Difference
    equal: bool


Row = dict[str, Found]

Replicates = tuple[Mapping[str, Any], Mapping[str, Any]]
"""Those of A and of B, by metric."""


def found_figures(pair: Pair, metrics: Sequence[str]) -> tuple[Row, str]:
    """The metrics that every run of the pair has, and why their changes have no interval; empty if they have."""
    defined = [name for name in metrics if all(run.record.metrics.get(name) is not None for run in (*pair.a, *pair.b))]
    if _same_predictions(pair):
        return {name: _found(name, pair, ({}, {}), equal=True) for name in defined}, ""
    reason = pair.unpaired or ("" if _stored((*pair.a, *pair.b)) else "the predictions are not stored on both sides")
    replicates: Replicates = ({}, {})
    if not reason:
        try:
            replicates = _replicates(pair.a, defined), _replicates(pair.b, defined)
        except InputError as error:
            reason = error.message
    return {name: _found(name, pair, replicates) for name in defined}, reason


def _same_predictions(pair: Pair) -> bool:
    """True if both sides stored the same bytes, and so the same scores of the same samples, and the same figures."""
    return all(
        one.record.predictions is not None
        and other.record.predictions is not None
        and one.record.predictions["sha256"] == other.record.predictions["sha256"]
        and one.record.metrics == other.record.metrics
        for one, other in zip(pair.a, pair.b, strict=True)
    )


def _stored(runs: Sequence[StoredRun]) -> bool:
    """True if every run has its file of predictions, whole or not."""
    return all(
        run.record.predictions is not None and (run.folder / run.record.predictions["file"]).is_file() for run in runs
    )


def _replicates(runs: Sequence[StoredRun], metrics: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The replicates of each metric, the mean over the runs; those that a file lacks are made of its predictions."""
    of_runs = [_of_run(run, metrics) for run in runs]
    return {
        name: np.mean([values[name] for values in of_runs], axis=0)
        for name in metrics
        if all(name in v for v in of_runs)
    }


def _of_run(run: StoredRun, metrics: Sequence[str]) -> dict[str, NDArray[Any]]:
    record, folder = run
    stored = read_predictions(folder, record, [f"{PREFIX}{name}" for name in metrics])
    found = {name.removeprefix(PREFIX): values for name, values in stored.items()}
    missing = [name for name in metrics if name not in found]
    if not missing:
        return found
    try:
        return {**found, **replicates_again(record, read_predictions(folder, record), missing)}
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{record.run_id}: no replicates can be made of its predictions ({error})", "") from error


def _found(name: str, pair: Pair, replicates: Replicates, equal: bool = False) -> Found:
    a, b = (
        Figures({run.record.seed: float(run.record.metrics[name] or 0.0) for run in runs}, of_side.get(name))
        for runs, of_side in zip((pair.a, pair.b), replicates, strict=True)
    )
    change = difference(b, a)
    if not equal and change.replicates is not None:
        equal = change.estimate == 0 and not change.replicates.any()
    return Found(a, b, change, equal)


def compared_rows(
    pairs: Sequence[Pair], found: Sequence[Row], units: Units, tolerance: float = TOLERANCE
) -> tuple[list[ComparedRow], list[OverDatasets]]:
    """The rows and the means over data sets. Their words hold together, at one joint level of 95 %.

    A metric that gives an order only is not tested: its bias depends on the model.
    """
    tested = {
        (row, name): of_row[name].change
        for row, of_row in enumerate(found)
        for name in of_row
        if not units[name]["order_only"] and not of_row[name].equal
    }
    means = {name: _over(name, pairs, found, bool(units[name]["order_only"])) for name in _metrics(found)}
    averaged = {name: mean for name, mean in means.items() if mean is not None}
    families = [*tested.values(), *(mean.change for mean in averaged.values())]
    apart = dict(zip([*tested, *averaged], told_apart(families, tolerance=tolerance).tolist(), strict=True))

    def word(key: Any, change: Difference, name: str, equal: bool = False) -> Word | None:
        if equal:
            return "equal"
        if change.replicates is None or units[name]["order_only"]:
            return None
        return word_of(change.estimate, apart[key], str(units[name]["better"]))

    rows = [
        _row(pair, of_row, {name: word((row, name), f.change, name, f.equal) for name, f in of_row.items()}, units)
        for row, (pair, of_row) in enumerate(zip(pairs, found, strict=True))
    ]
    over = []
    for name, mean in averaged.items():
        found_words = Counter(figure.word for row in rows if (figure := row.figures.get(name)) is not None)
        words = {str(found_word): count for found_word, count in found_words.items() if found_word is not None}
        all_equal = words.get("equal") == mean.rows
        over.append(mean.document(name, word(name, mean.change, name, all_equal), words))
    return rows, over


def word_of(change: float, apart: bool, better: str) -> Word:
    """`level` unless the change is told apart from 0; else `better` or `worse`."""
    if not apart:
        return "level"
    return "better" if (change < 0) == (better == "lower") else "worse"


def _row(pair: Pair, found: Row, words: Mapping[str, Word | None], units: Units) -> ComparedRow:
    record = pair.a[0].record
    figures = {}
    for name, figure in found.items():
        interval = None if units[name]["order_only"] else figure.change.interval()
        change = figure.change.estimate
        figures[name] = ComparedFigure(figure.a.mean, figure.b.mean, change, interval, words[name])
    return ComparedRow(
        record.dataset, record.model, record.noise, pair.recipe, pair.seeds, int(record.n.get("test", 0)), figures
    )


def _metrics(found: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for of_row in found for name in of_row))


class _Mean(NamedTuple):
    change: Difference
    rows: int
    datasets: int
    among: tuple[float, float] | None
    order_only: bool

    def document(self, name: str, word: Word | None, words: dict[str, int]) -> OverDatasets:
        here = None if self.order_only else self.change.interval()
        return OverDatasets(name, self.rows, self.datasets, self.change.estimate, here, self.among, word, words)


def _over(name: str, pairs: Sequence[Pair], found: Sequence[Row], order_only: bool) -> _Mean | None:
    """The mean change over the rows that have the metric; None for rows on one data set."""
    rows = [(pair, of_row[name]) for pair, of_row in zip(pairs, found, strict=True) if name in of_row]
    datasets = [pair.a[0].record.dataset for pair, _ in rows]
    if len(set(datasets)) < 2:
        return None
    estimates = np.array([figure.change.estimate for _, figure in rows])
    among = None
    if len(set(datasets)) >= FEW and not order_only:
        means = GroupedMeans.of(estimates[:, None], datasets)
        low, high = np.quantile(means.replicates(RESAMPLES, SEED)[0], QUANTILES)
        among = float(low), float(high)
    known = all(figure.change.replicates is not None or figure.equal for _, figure in rows)
    drawn = [figure.change.replicates for _, figure in rows if figure.change.replicates is not None]
    replicates = None
    if known and drawn:
        fewest = min(map(len, drawn))
        replicates = np.sum([values[:fewest] for values in drawn], axis=0) / len(rows)
    change = Difference(float(estimates.mean()), replicates, tuple(_spread_of_mean(rows)))
    return _Mean(change, len(rows), len(set(datasets)), among, order_only)


def _spread_of_mean(rows: Sequence[tuple[Pair, Found]]) -> list[tuple[float, int]]:
    """Squared errors over seeds of the mean over rows. Rows of one dataset, model and noise share the trainings of their seeds."""
    tasks: dict[tuple[str, str, str], list[dict[int, float]]] = {}
    for pair, figure in rows:
        record = pair.a[0].record
        by_seed = {seed: figure.b.of_seed[seed] - figure.a.of_seed[seed] for seed in pair.seeds}
        tasks.setdefault((record.dataset, record.model, record.noise or ""), []).append(by_seed)
    spread = []
    for together in tasks.values():
        shared = set.intersection(*(set(by_seed) for by_seed in together))
        groups = [together] if len(shared) > 1 else [[by_seed] for by_seed in together]
        for group in groups:
            seeds = shared if len(shared) > 1 else set(group[0])
            sums = np.array([sum(by_seed[seed] for by_seed in group) for seed in sorted(seeds)]) / len(rows)
            if len(sums) > 1:
                spread.append((float(sums.var(ddof=1)) / len(sums), len(sums) - 1))
    return spread
