"""A recipe on one data set: verdict, figures, pictures of its test predictions, and how to make its runs again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calibench.leaderboard.pareto import seconds_of
from calibench.metrics.judged import Judged
from calibench.records.record import ResultRecord
from calibench.report.format import NOTHING, figure, header, interval
from calibench.report.site.answers import ANSWERS
from calibench.report.site.class_view import class_table, label_table
from calibench.report.site.reproduce import preset_text, run_command, sweep_command
from calibench.report.site.samples_view import Reliability, RiskCoverage, reliability_view, risk_view
from calibench.report.site.shift_view import ood_page_table, shift_page_table
from calibench.report.site.table import Cell, Head, Line, Table

if TYPE_CHECKING:
    from calibench.leaderboard.rows import Row
    from calibench.leaderboard.units import Units

NOTES = "classes in order: "
"""What a data set's note begins with that names its classes."""


@dataclass(frozen=True)
class Verdict:
    """The verdict of one run: a word of the record, its heading, and the sentence with the figures behind it."""

    word: str
    answer: str
    seed: int
    sentence: str


@dataclass(frozen=True)
class Section:
    """All that a page shows of a recipe on one data set. `missing` says why there are no pictures."""

    id: str
    title: str
    href: str
    verdicts: Sequence[Verdict]
    figures: Table
    reliability: Reliability | None
    risk: RiskCoverage | None
    classes: Table | None
    shift: Table | None
    ood: Table | None
    missing: str
    runs: Table
    command: str
    sweep: str
    preset: str
    seeds: int


def section_of(
    place: tuple[str, str, str], row: Row, units: Units, records: Sequence[ResultRecord], runs: tuple[list[Judged], str]
) -> Section:
    """The section at `place`, which is its id, its title and the address of the page of its data set.

    `records` are the runs behind `row`, and `runs` their judged test splits, or none and the reason.
    """
    identity = place[0]
    judged, missing = runs
    labels = records[0].labels
    classes = label_table(labels, f"{identity}-labels") if labels else None
    if judged and classes is None:
        classes = class_table(judged, class_names(records[0]), f"{identity}-classes")
    return Section(
        *place,
        verdicts=_verdicts(records),
        figures=figures_table(row, units, identity),
        reliability=reliability_view(judged) if judged else None,
        risk=risk_view(judged) if judged else None,
        classes=classes,
        shift=shift_page_table(records, identity),
        ood=ood_page_table(records, identity),
        missing=missing,
        runs=_runs_table(records, identity),
        command=run_command(records),
        sweep=sweep_command(records[0]),
        preset=preset_text(records),
        seeds=len(records),
    )


def figures_table(row: Row, units: Units, identity: str) -> Table:
    """A row a metric: mean over seeds, interval, SD over seeds, and noise floor."""
    several = len(row.seeds) > 1
    levels = " or ".join(f"{100 * level:g}" for level in row.levels)
    heads = [Head("metric", left=True), Head("mean over seeds" if several else "figure")]
    heads += [
        Head(f"{levels} % interval"),
        *([Head("sd")] if several else []),
        Head("floor"),
        Head("better", left=True),
    ]
    lines = []
    for name, about in units.items():
        unit, cell = str(about["unit"]), row.cells.get(name)
        cells = [Cell(header(name, unit)), Cell(NOTHING if cell is None else figure(cell.mean, unit))]
        cells.append(Cell((interval(cell.interval, unit) if cell else "") or NOTHING))
        if several:
            cells.append(Cell(NOTHING if cell is None or cell.sd is None else figure(cell.sd, unit)))
        cells.append(Cell(figure(row.floors[name], unit) if name in row.floors else NOTHING))
        cells.append(Cell(str(about["better"])))
        lines.append(Line(cells))
    reasons = Counter(reason for name, reason in row.no_interval.items() if name in row.cells)
    names_of = {
        reason: [name for name, own in row.no_interval.items() if own == reason and name in row.cells]
        for reason in reasons
    }
    notes = ["floor: the mean score of a perfectly calibrated model with the same confidences"]
    notes += [f"no interval of {', '.join(names)}: {reason}" for reason, names in names_of.items()]
    return Table(f"{identity}-figures", "Figures", heads, lines, notes, sortable=False)


def class_names(record: ResultRecord) -> list[str]:
    """The names of the classes, where a note of the data has as many of them as there are classes; else none."""
    notes = record.data.get("notes")
    for note in notes if isinstance(notes, list) else ():
        names = str(note).removeprefix(NOTES).split(", ") if str(note).startswith(NOTES) else []
        if len(names) == record.data.get("classes"):
            return names
    return []


def _verdicts(records: Sequence[ResultRecord]) -> list[Verdict]:
    """One a seed; without runs of earlier versions, which have none."""
    return [
        Verdict(
            record.calibrated if record.calibrated in ANSWERS else "not_tested",
            ANSWERS.get(record.calibrated, record.calibrated.replace("_", " ")),
            record.seed,
            record.verdict[:1].upper() + record.verdict[1:],
        )
        for record in records
        if record.calibrated
    ]


def _runs_table(records: Sequence[ResultRecord], identity: str) -> Table:
    """The runs: seed, id, date, seconds, backend, and checksum of the predictions."""
    heads = [Head("seed", left=True), Head("run", left=True), Head("ended (UTC)", left=True), Head("seconds")]
    heads += [Head("code", left=True), Head("SHA-256 of the predictions", left=True)]
    lines = []
    for record in records:
        digest = str((record.predictions or {}).get("sha256", "not stored"))
        cells = [Cell(str(record.seed)), Cell(record.run_id), Cell(record.created.replace("T", " ")[:16])]
        cells += [Cell(f"{seconds_of(record):.3g}"), Cell(record.code), Cell(digest)]
        lines.append(Line(cells))
    return Table(f"{identity}-runs", "Runs", heads, lines, sortable=False)


def fitted_lines(record: ResultRecord) -> list[tuple[str, str]]:
    """What each stage of a run learned, in words."""
    lines = []
    for entry in record.fitted:
        values = {key: value for key, value in entry.items() if key != "stage" and _is_short(value)}
        text = ", ".join(f"{key} {_short(value)}" for key, value in values.items())
        lines.append((str(entry.get("stage")), text or "nothing"))
    return lines


def _is_short(value: Any) -> bool:
    return isinstance(value, int | float | str) or (isinstance(value, list) and len(value) <= 12)


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "[" + ", ".join(_short(item) for item in value) + "]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
