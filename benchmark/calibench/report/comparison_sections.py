"""A comparison as titled tables of text, which the terminal and Markdown share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from calibench.leaderboard.comparison import (
    ComparedFigure,
    ComparedRow,
    Comparison,
    OverDatasets,
    Part,
    Parts,
)
from calibench.report.format import NOTHING, figure, header, interval, one_line, signed_with_interval

FEW_ROWS = 6
"""Up to so many rows have a table of all metrics each; more rows share a table for each metric."""

MOST_LISTED = 10
"""So many runs without a partner, and so many runs that differ, are listed."""

KINDS = {
    "class": ("class", "by true class"),
    "confidence": ("confidence", "by the confidence of A"),
    "answers": ("answers", "by the answers"),
}
"""The head of the first column, and the words of the title."""

GAPS = ("gap A %", "gap B %")
"""The columns that a narrow terminal drops."""


@dataclass(frozen=True)
class Section:
    """A table: its title, header and cells, the notes below it; the first column holds words."""

    title: str
    head: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def sections(found: Comparison) -> Iterator[Section]:
    """The figures, the means over data sets, and where the changes come from."""
    rows = shown_rows(found)
    if len(rows) <= FEW_ROWS and found.kind != "folders":
        yield from (_of_row(found, row) for row in rows)
    else:
        yield from (section for name in found.metrics if (section := _of_metric(found, rows, name)).body)
    if found.over_datasets:
        yield _over(found)
    for where in _shown_parts(found):
        yield from _where(found, where)


def shown_rows(found: Comparison) -> list[ComparedRow]:
    """The rows; of two folders those in which something is not equal."""
    return [row for row in found.rows if found.kind != "folders" or not row.equal]


def _shown_parts(found: Comparison) -> list[Parts]:
    """The parts of the first metric that has some."""
    first = next((name for name in found.metrics for where in found.parts if where.metric == name), None)
    return [where for where in found.parts if where.metric == first]


def heading(found: Comparison) -> str:
    """What is compared."""
    return f"A: {one_line(found.a)}   B: {one_line(found.b)}   change: B less A"


def notes(found: Comparison) -> list[str]:
    """How to read the tables, and what limits them; then runs without a partner, and runs that differ."""
    level = f"{100 * found.level:g} %"
    lines = [
        f"change: [{level} interval from paired resamples of the test samples and paired seeds, each by itself]; "
        "fractions in percentage points",
        f"better, worse: B against A, told apart by more than {found.tolerance:g}; "
        f"all of these words hold at a joint level of {level}",
        "level: not told apart at that level, which is no proof of equality; equal: no resample differs",
        *found.notes,
    ]
    if found.kind == "folders":
        equal = len(found.rows) - len(shown_rows(found))
        lines.append(f"{len(found.rows)} rows are in both; {equal} of them are equal in everything and not listed")
    for name, only in (("A", found.only_a), ("B", found.only_b)):
        if only:
            lines.append(f"only in {name}: {len(only)} runs: {_listed(only)}")
    if found.changed:
        lines.append(f"{len(found.changed)} runs of both are of another configuration or other data:")
        lines += [f"  {one_line(run.run)}: {one_line('; '.join(run.differs))}" for run in found.changed[:MOST_LISTED]]
        more = len(found.changed) - MOST_LISTED
        lines += [f"  and {more} more; --format json lists all"] if more > 0 else []
    if found.parts:
        lines.append(
            "parts: means of A and B on these samples; gap: confidence less accuracy; the parts add up to the change"
        )
        others = sorted({where.metric for where in found.parts} - {_shown_parts(found)[0].metric})
        lines += [f"--metrics {name} shows the parts of {name}; csv and json have them" for name in others]
    if not found.parts and len(found.rows) > 1 and found.kind != "folders":
        lines.append("-d DATASET, or --parts, shows where the changes come from")
    return lines


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return one_line(", ".join(names[:MOST_LISTED])) + more


def _of_row(found: Comparison, row: ComparedRow) -> Section:
    body = tuple(
        (header(name, str(found.units[name]["unit"])), *_cells(row.figures[name], str(found.units[name]["unit"])))
        for name in found.metrics
        if name in row.figures
    )
    return Section(_title(row), ("metric", "A", "B", "change", ""), body)


def _of_metric(found: Comparison, rows: Sequence[ComparedRow], metric: str) -> Section:
    unit = str(found.units[metric]["unit"])
    body = tuple((_name(row, found), *_cells(row.figures[metric], unit)) for row in rows if metric in row.figures)
    return Section(header(metric, unit), ("row", "A", "B", "change", ""), body)


def _cells(found: ComparedFigure, unit: str) -> tuple[str, ...]:
    return (
        figure(found.a, unit),
        figure(found.b, unit),
        signed_with_interval(found.change, None if found.word == "equal" else found.interval, unit),
        found.word or NOTHING,
    )


def _title(row: ComparedRow) -> str:
    seeds = f"seeds {', '.join(map(str, row.seeds))}" if len(row.seeds) > 1 else f"seed {row.seeds[0]}"
    noise = f", noise {row.noise}" if row.noise else ""
    return one_line(f"{row.dataset}, model {row.model}{noise}, {row.n_test} test samples, {seeds}")


def _name(row: ComparedRow, found: Comparison) -> str:
    """What tells this row from the others."""
    differs = [
        name for name in ("dataset", "model", "noise", "recipe") if len({getattr(r, name) for r in found.rows}) > 1
    ]
    return one_line(", ".join(str(getattr(row, name) or "no noise") for name in differs or ["dataset"]))


def _over(found: Comparison) -> Section:
    rows = found.over_datasets
    among = any(row.among for row in rows)
    head = ("metric", "mean change", *(["over such data sets"] if among else []), "", "rows by word")
    body = tuple(_mean(row, str(found.units[row.metric]["unit"]), among) for row in rows)
    first = rows[0]
    title = f"mean over {first.rows} rows on {first.datasets} data sets"
    return Section(title, head, body, notes=("mean change: [95 % interval on these data sets]",))


def _mean(row: OverDatasets, unit: str, among: bool) -> tuple[str, ...]:
    words = ", ".join(f"{count} {word}" for word, count in sorted(row.words.items())) or NOTHING
    over = [interval(row.among, unit) or NOTHING] if among else []
    return header(row.metric, unit), signed_with_interval(row.change, row.here, unit), *over, row.word or NOTHING, words


def _where(found: Comparison, where: Parts) -> Iterator[Section]:
    unit = str(found.units[where.metric]["unit"])
    whole = signed_with_interval(where.row.figures[where.metric].change, None, unit)
    row = f" on {_name(where.row, found)}" if len(found.rows) > 1 else ""
    for kind, (head, title) in KINDS.items():
        parts = tuple(_part(part, unit) for part in where.parts if part.kind == kind)
        if parts:
            columns = (head, "n", "A", "B", *GAPS, "part of the change", "")
            yield Section(f"{header(where.metric, unit)} {whole}{row}, {title}", columns, parts)


def _part(part: Part, unit: str) -> tuple[str, ...]:
    return (
        one_line(part.name),
        f"{part.n:.0f}" if part.n == round(part.n) else f"{part.n:.1f}",
        figure(part.a, unit),
        figure(part.b, unit),
        *(f"{100 * gap:+.1f}" for gap in (part.gap_a, part.gap_b)),
        signed_with_interval(part.change, part.interval, unit),
        part.word or NOTHING,
    )
