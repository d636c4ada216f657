"""The tables of `calibench evaluate` about parts of the samples and other files: groups, periods of time, OOD sets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from calibench.cli.groups_table import LEFT_OUT, groups_lines, groups_table
from calibench.cli.narrow import no_room, widest
from calibench.cli.output import print_line
from calibench.report.drift_words import drift_words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from calibench.evaluation.evaluation_record import EvaluationRecord

OOD_LEFT_OUT = ((), ("intervals",), ("intervals", "mean confidence"))
"""What a narrow terminal leaves out of the table of OOD sets."""

KNOWN_SCORES = ("max-softmax", "entropy", "margin", "energy", "max-logit", "max-logit-pnorm")
"""Scores of outputs, which are large for unknown rows by their definition."""

OOD_CAPTION = (
    "the rows of the judged file are positive; aupr_out: those of the other file are; fpr95: other rows taken for "
)
OOD_CAPTION += "rows of the judged file where 95 % of these are kept"


def print_parts(record: EvaluationRecord, console: Console) -> None:
    """The groups, the periods and the OOD sets of a record, after the fit if there was one; nothing where none was asked."""
    judgement = {"groups": record.groups, "periods": record.periods} if record.after is None else record.after
    groups, periods = judgement.get("groups"), judgement.get("periods")
    if groups:
        _print(
            console,
            LEFT_OUT,
            lambda left_out: groups_table(groups, record.units, left_out=left_out),
            groups_lines(groups),
        )
    if periods:
        of_periods, column = periods["periods"], str(periods["column"])
        lines = periods_lines(periods, record.labels_per_sample)
        _print(
            console, LEFT_OUT, lambda left_out: groups_table(of_periods, record.units, column, left_out=left_out), lines
        )
    if record.ood:
        rows = record.ood
        _print(console, OOD_LEFT_OUT, lambda left_out: ood_table(rows, left_out), list(ood_lines(rows)))


def _print(
    console: Console,
    choices: Sequence[Collection[str]],
    table_of: Callable[[Collection[str]], Table],
    lines: Sequence[str],
) -> None:
    """The table with as many columns as the console holds, the lines, and which columns are left out."""
    table, left_out = widest(console, choices, table_of)
    console.print(table)
    for line in [*lines, *no_room(left_out)]:
        print_line(console, line)


def periods_lines(periods: Mapping[str, Any], labels_per_sample: int = 1) -> Sequence[str]:
    """The test of drift in a sentence, the periods that are miscalibrated, and whether the fit helps in each."""
    return [
        *([] if periods["drift"] is None else [f"drift: {drift_words(periods['drift'], labels_per_sample)}"]),
        *groups_lines(periods["periods"], "periods", "period"),
        *_gains(periods["periods"]),
    ]


def _gains(periods: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Where the fit helps and where it harms, for all periods together."""
    gains = {name: period["gain"] for name, period in periods.items() if period.get("gain")}
    if not gains:
        return
    for helps, words in ((True, "lowers NLL"), (False, "raises NLL")):
        names = [name for name, gain in gains.items() if gain["helps"] is helps]
        if names:
            yield f"the fit {words} in {len(names)} of {len(gains)} periods: {_shortened(names)}"
    unclear = sum(gain["helps"] is None for gain in gains.values())
    if unclear:
        yield f"no sure difference in {unclear} of {len(gains)} periods"


def _shortened(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} others" if len(names) > most else "")


def ood_table(rows: Sequence[Mapping[str, Any]], left_out: Collection[str] = ()) -> Table:
    """A row for each file and score; with intervals unless a narrow terminal has no room for them."""
    from rich.text import Text

    from calibench.metrics.ood import FIGURES
    from calibench.report.format import NOTHING, figure, figure_with_interval
    from calibench.report.tables import ruled_table

    table = ruled_table()
    table.add_column("OOD set", overflow="fold")
    table.add_column("score", overflow="fold")
    means = [] if "mean confidence" in left_out else ["mean\nconfidence %"]
    for name in ("n", *means, *(f"{name} %" for name in FIGURES)):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        confidence = row["mean_confidence"]
        cells = [f"{row['n_out']}"]
        cells += [NOTHING if confidence is None else figure(confidence, "fraction") for _ in means]
        intervals = {} if "intervals" in left_out else row["intervals"]
        cells += [figure_with_interval(row["metrics"][name], intervals.get(name), "fraction") for name in FIGURES]
        table.add_row(*map(Text, (row["set"], row["score"], *cells)))
    return table


def ood_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What the figures mean, and a warning of scores that rank the wrong way round."""
    for row in rows:
        if row["metrics"]["auroc"] < 0.5:
            text = f"warning: {row['score']} does not rank {row['set']} above the judged file (AUROC under 50 %)"
            stored = (
                "; a score is large where a row is unlike the training data: store its negative if it means the reverse"
            )
            yield text + ("" if row["score"].partition(":")[0] in KNOWN_SCORES else stored)
    yield OOD_CAPTION
