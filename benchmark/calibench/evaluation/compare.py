"""`compare`: paired differences of two recipes, two runs, two folders or two commits of results, and where they come from."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from calibench.config.grammar import parse_recipe
from calibench.errors import InputError, did_you_mean
from calibench.evaluation.change_parts import PER_SAMPLE, FoundPart, Run, change_parts
from calibench.evaluation.compared_figures import compared_rows, found_figures, word_of
from calibench.leaderboard.base import stages_of
from calibench.leaderboard.compare_pairs import (
    Pair,
    Pairing,
    StoredRun,
    pair_of_runs,
    pairs_of_folders,
    pairs_of_recipes,
)
from calibench.leaderboard.comparison import ComparedRow, Comparison, Kind, Part, Parts
from calibench.leaderboard.defaults import RANK_BY, TOLERANCE
from calibench.leaderboard.faults import faults_of
from calibench.leaderboard.joint_differences import told_apart
from calibench.leaderboard.rank_intervals import LEVEL, check_rule
from calibench.leaderboard.units import Units, units_of
from calibench.records.commit_folder import folder_of_commit, names_a_commit
from calibench.records.store import RECORDS, folders_of, read_predictions, read_records

METRICS = ("accuracy", RANK_BY, "nll", "ece15", "ece_debiased15", "coverage", "selective_risk", "aurc")
"""The metrics that are compared unless the user names others: those of these that the runs have."""


def compare(
    a: str | Path,
    b: str | Path,
    *,
    results: str | Path = "results",
    metrics: str | Sequence[str] | None = None,
    datasets: str | Sequence[str] = (),
    methods: str | Sequence[str] = (),
    parts: bool | None = None,
    tolerance: float = TOLERANCE,
) -> Comparison:
    """B less A: two recipes or two run ids in the folder `results`, two folders, or two folders of commits (`HEAD~1:results`).

    Runs are paired by dataset, model, noise and seed, in two folders by recipe too. Every change of a metric has a 95 % interval
    from paired replicates and seeds. The words `better` and `worse` hold together at a joint level of 95 %.

    `metrics` are names, `datasets` and `methods` choose rows, by name or by the whole text. `parts` adds the classes,
    confidence bins and pairs of answers that a change of `brier` and `nll` comes from; by default where one row is compared.

    Raises InputError for sides that are not there or do not fit each other, and for unknown names.
    """
    check_rule("lower", LEVEL, tolerance)
    with contextlib.ExitStack() as stack:
        kind, side_a, side_b = _sides(str(a), str(b), Path(results), stack)
        side_a, side_b = (_chosen(side, datasets, methods) for side in (side_a, side_b))
        left_out = {run.record.run_id: fault for run in (*side_a, *side_b) for fault in faults_of(run.record)}
        side_a, side_b = (_without(side, left_out) for side in (side_a, side_b))
        pairing = _pairing(kind, side_a, side_b, str(a), str(b))
        units = units_of(run.record for pair in pairing.pairs for run in (*pair.a, *pair.b))
        names = _metrics(metrics, units)
        figures = [found_figures(pair, names) for pair in pairing.pairs]
        rows, over = compared_rows(pairing.pairs, [found for found, _ in figures], units, tolerance)
        wanted = len(rows) == 1 if parts is None else parts
        where = (
            [of for pair, row in zip(pairing.pairs, rows, strict=True) for of in _parts(pair, row, tolerance)]
            if wanted
            else []
        )
        return Comparison(
            kind=kind,
            a=str(a),
            b=str(b),
            metrics=tuple(names),
            units={name: units[name] for name in names},
            level=LEVEL,
            tolerance=tolerance,
            rows=tuple(rows),
            over_datasets=tuple(over),
            parts=tuple(where),
            only_a=pairing.only_a,
            only_b=pairing.only_b,
            changed=pairing.changed,
            notes=(
                *(f"left out: {run_id}: {fault}" for run_id, fault in left_out.items()),
                *_notes(pairing.pairs, [reason for _, reason in figures], units, names),
            ),
        )


Side = list[StoredRun]


def _sides(a: str, b: str, results: Path, stack: contextlib.ExitStack) -> tuple[Kind, Side, Side]:
    """What A and B are, and their runs. Both must be of one kind."""
    if a == b:
        raise InputError(f"A and B are both {a!r}", "name two recipes, runs, folders or commits")
    folders = [_folder(text, results, stack) for text in (a, b)]
    if None not in folders:
        side_a, side_b = (_read(folder) for folder in folders if folder is not None)
        return "folders", side_a, side_b
    runs = _read(results)
    found = [
        ("folders", []) if folder is not None else _named(text, runs, results)
        for text, folder in zip((a, b), folders, strict=True)
    ]
    kinds = [kind for kind, _ in found]
    if kinds[0] != kinds[1]:
        one = {"folders": "a folder", "recipes": "a recipe", "runs": "a run"}
        message = f"A {a!r} is {one[kinds[0]]} and B {b!r} is {one[kinds[1]]}"
        raise InputError(message, "compare two of a kind")
    return ("runs" if kinds[0] == "runs" else "recipes"), found[0][1], found[1][1]


def _folder(text: str, results: Path, stack: contextlib.ExitStack) -> Path | None:
    """The folder that a side names, or that git has of it; None for a recipe or a run."""
    path = Path(text)
    if path.is_dir() and any((folder / RECORDS).is_dir() for folder in folders_of(path)):
        return path
    if path.is_dir() and not (results / RECORDS).is_dir():
        raise InputError(
            f"there are no records under {text!r}", "name a folder that calibench run wrote, such as results"
        )
    if "/" in text and ":" not in text and not path.exists():
        raise InputError(f"there is no folder {text!r}", "name a folder that calibench run wrote, such as results")
    if ":" in text and names_a_commit(text):
        return stack.enter_context(folder_of_commit(text))
    return None


def _read(results: Path) -> Side:
    """The runs of a folder, and of those in it that have records of their own."""
    return [StoredRun(record, folder) for folder in folders_of(results) for record in read_records(folder)]


def _named(text: str, runs: Side, results: Path) -> tuple[str, Side]:
    """The runs of a recipe, by its own words or by those of a suite, or the run whose id begins so."""
    recipes = {run.record.method: run.record for run in runs}
    of_suite = [run for run in runs if (run.record.preset or {}).get("method") == text]
    if text not in recipes and of_suite:
        return "recipes", of_suite
    recipe = text if text in recipes else _same_stages(text, recipes)
    if recipe is not None:
        return "recipes", [run for run in runs if run.record.method == recipe]
    found = [run for run in runs if text and run.record.run_id.startswith(text)]
    exact = [run for run in found if run.record.run_id == text]
    if len(exact or found) == 1:
        return "runs", exact or found
    if found:
        such = f"such as {found[0].record.run_id} and {found[1].record.run_id}"
        raise InputError(f"{len(found)} runs in {str(results)!r} begin with {text!r}", such)
    message = f"{text!r} is no recipe or run in {str(results)!r}, no folder of results, and no REVISION:FOLDER of git"
    raise InputError(message, did_you_mean(text, recipes))


def _same_stages(text: str, recipes: dict[str, Any]) -> str | None:
    """The recipe that has the stages of `text`, as `vtst` has those of `ce+vtst`."""
    try:
        stages = tuple(parse_recipe(text))
    except InputError:
        return None
    return next((recipe for recipe, record in recipes.items() if tuple(stages_of(record)) == stages), None)


def _chosen(side: Side, datasets: str | Sequence[str], methods: str | Sequence[str]) -> Side:
    """The runs on these data sets, by name or by the whole text, and of these recipes; all if none are named."""
    for field, wanted in (("dataset", datasets), ("method", methods)):
        words = [wanted] if isinstance(wanted, str) else list(wanted)
        there = {getattr(run.record, field) for run in side}
        for word in words:
            if not any(_is(text, word) for text in there):
                raise InputError(f"no run that is compared has the {field} {word!r}", did_you_mean(word, there))
        if words:
            side = [run for run in side if any(_is(getattr(run.record, field), word) for word in words)]
    return side


def _without(side: Side, faults: Mapping[str, str]) -> Side:
    """The runs without figures that cannot be; InputError if all have some."""
    kept = [run for run in side if run.record.run_id not in faults]
    if side and not kept:
        run_id = side[0].record.run_id
        raise InputError(
            f"{run_id}: {faults[run_id]}", "calibench verify says what else differs; make the run again with --force"
        )
    return kept


def _is(text: str, word: str) -> bool:
    """True for the whole text; a name without parameters also stands for a dataset with some."""
    return word == text or ("+" not in text and word == text.partition(":")[0])


def _pairing(kind: Kind, a: Side, b: Side, name_a: str, name_b: str) -> Pairing:
    if kind == "runs":
        one, other = a[0], b[0]
        pairing = pair_of_runs(one, other)
        if one.record.dataset != other.record.dataset and pairing.pairs[0].unpaired:
            message = f"the runs were judged on other data: {one.record.dataset} and {other.record.dataset}"
            raise InputError(message, "compare two runs on one dataset")
        return pairing
    pairing = pairs_of_recipes(a, b) if kind == "recipes" else pairs_of_folders(a, b)
    if not pairing.pairs:
        what = "dataset, model, noise and seed" + (" and recipe" if kind == "folders" else "")
        raise InputError(f"{name_a!r} and {name_b!r} have no run with one {what}", "nothing is left to compare")
    return pairing


def _metrics(wanted: str | Sequence[str] | None, units: Units) -> list[str]:
    if wanted is None:
        return [name for name in METRICS if name in units]
    words = wanted.split(",") if isinstance(wanted, str) else list(wanted)
    names = list(dict.fromkeys(word.strip() for word in words if word.strip()))
    if not names:
        raise InputError("no metric is named", "as in brier,nll")
    for name in names:
        if name not in units:
            raise InputError(f"no run that is compared has the metric {name!r}", did_you_mean(name, units))
    return names


def _parts(pair: Pair, row: ComparedRow, tolerance: float) -> Iterator[Parts]:
    """Where the changes of the row's proper scores come from; nothing for runs that are not paired or equal."""
    names = [
        name for name in PER_SAMPLE if name in row.figures and row.figures[name].word in ("better", "worse", "level")
    ]
    if not names:
        return
    sides = [[Run(run.record, read_predictions(run.folder, run.record)) for run in side] for side in (pair.a, pair.b)]
    if any("test.labels" not in run.arrays for side in sides for run in side):
        return
    found = {name: list(change_parts(name, *sides)) for name in names}
    tested = [
        (name, place)
        for name, parts in found.items()
        for place, part in enumerate(parts)
        if part.part.kind != "answers"
    ]
    differences = [found[name][place].change for name, place in tested]
    apart = dict(zip(tested, told_apart(differences, tolerance=tolerance).tolist(), strict=True))
    for name, parts in found.items():
        if parts:
            yield Parts(row, name, tuple(_part(part, apart.get((name, place))) for place, part in enumerate(parts)))


def _part(found: FoundPart, apart: bool | None) -> Part:
    if apart is None:
        return found.part
    word = word_of(found.change.estimate, apart, "lower")
    return dataclasses.replace(found.part, interval=found.change.interval(), word=word)


def _notes(pairs: Sequence[Pair], reasons: Iterable[str], units: Units, names: Sequence[str]) -> Iterator[str]:
    """What limits the comparison: rows without intervals, metrics that are not tested, other code, one seed."""
    for reason, count in Counter(reason for reason in reasons if reason).items():
        yield f"no interval on {count} of {len(pairs)} rows: {reason}"
    order = [name for name in names if units[name]["order_only"]]
    if order:
        yield f"no interval of {', '.join(order)}: biased by an amount that depends on the model"
    if any(len(pair.a) == 1 for pair in pairs):
        yield "a row of one seed is about these two networks: its interval is over test samples alone"
    codes = sum(any(x.record.code != y.record.code for x, y in zip(pair.a, pair.b, strict=True)) for pair in pairs)
    if codes and any(pair.recipe is not None for pair in pairs):
        yield f"{codes} of {len(pairs)} rows were made by other code"
    of_a, of_b = _versions(pair.a for pair in pairs), _versions(pair.b for pair in pairs)
    if of_a != of_b:
        yield f"A was made by {of_a}, B by {of_b}"


def _versions(sides: Iterable[Sequence[StoredRun]]) -> str:
    """The versions of calibench and torch behind the runs."""
    versions = {
        f"calibench {run.record.versions.get('calibench')} and torch {run.record.versions.get('torch')}"
        for side in sides
        for run in side
    }
    return ", ".join(sorted(versions))
