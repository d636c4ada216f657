"""OOD sets as a table: how well each recipe and score tells them from the test rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from calibench.config.shift_and_ood import GROUPS, ood_metric
from calibench.lazy import np
from calibench.report.format import NOTHING, figure_with_interval
from calibench.report.tables import ruled_table

if TYPE_CHECKING:
    from rich.table import Table

    from calibench.records.record import ResultRecord

METRICS = ("auroc", "aupr", "aupr_out", "fpr95")
"""All are fractions."""

CAPTION = (
    "the test split is positive; aupr_out: OOD is; fpr95: OOD taken for test rows where 95 % of these are kept; "
    "mean over seeds [95 % interval of one run over rows of both]"
)


class Label(NamedTuple):
    """The words at the left of a line."""

    method: str
    set: str
    group: str
    score: str


def ood_table(records: Sequence[ResultRecord]) -> Table | None:
    """A line for each recipe, OOD set and score, and for near and far means; figures are means over seeds.

    None if no record has OOD rows.
    """
    lines = ood_lines(records)
    if not lines:
        return None
    from rich.text import Text

    dataset = next(record.dataset for record in records if record.ood)
    table = ruled_table(f"OOD sets against the test rows of {dataset}", "\n".join([CAPTION, *_reasons(records)]))
    for name in (*Label._fields, "rows"):
        table.add_column(name, no_wrap=name != "set", overflow="fold")
    for name in METRICS:
        table.add_column(f"{name} %", justify="right", no_wrap=True)
    for label, rows in lines.items():
        count = str(rows[0]["n"]) if rows[0]["n"] else ""
        table.add_row(*(Text(word) for word in label), count, *(ood_cell(rows, name) for name in METRICS))
    return table


def ood_lines(records: Sequence[ResultRecord]) -> dict[Label, list[Mapping[str, Any]]]:
    """For each line of the table its row of every seed; recipes in the order of the records."""
    lines: dict[Label, list[Mapping[str, Any]]] = {}
    for record in records:
        for row in record.ood:
            label = Label(record.recipe, row["set"], row["group"] or NOTHING, row["score"])
            lines.setdefault(label, []).append(row)
        for row in _group_means(record):
            label = Label(record.recipe, f"{row['group']} mean", row["group"], row["score"])
            lines.setdefault(label, []).append(row)
    recipes = [record.recipe for record in records]
    return dict(sorted(lines.items(), key=lambda line: recipes.index(line[0].method)))


def _group_means(record: ResultRecord) -> Iterator[dict[str, Any]]:
    """The near and far means of a record, in the form of its OOD rows."""
    scores = dict.fromkeys(row["score"] for row in record.ood)
    for group in GROUPS:
        for score in scores:
            names = {name: ood_metric(name, group, score) for name in METRICS}
            if all(full_name in record.metrics for full_name in names.values()):
                metrics = {name: record.metrics[full_name] for name, full_name in names.items()}
                intervals = {name: record.intervals.get(full_name) for name, full_name in names.items()}
                yield {"group": group, "score": score, "n": 0, "metrics": metrics, "intervals": intervals}


def _reasons(records: Sequence[ResultRecord]) -> list[str]:
    """The reasons for undefined figures, each once."""
    return list(
        dict.fromkeys(f"{record.recipe}: {row['note']}" for record in records for row in record.ood if "note" in row)
    )


def ood_cell(rows: Sequence[Mapping[str, Any]], metric: str) -> str:
    """The mean over seeds, with the interval if there is one seed; `-` if the metric is undefined on a seed."""
    values = [row["metrics"].get(metric) for row in rows]
    if None in values:
        return NOTHING
    bounds = rows[0]["intervals"].get(metric) if len(rows) == 1 else None
    return figure_with_interval(float(np.mean(values)), bounds, "fraction")
