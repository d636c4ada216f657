"""Training curves on a terminal: a plot of braille dots for each stage, and a table with sparklines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from calibench.report.braille_plot import STYLES, Line, is_log, plot, sparkline
from calibench.report.format import NOTHING, one_line
from calibench.report.tables import ruled_table
from calibench.report.training_curves import SERIES, TrainingCurve

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

WIDEST = 120
"""A plot is no wider than this many characters."""


def curves_on_terminal(
    curves: Sequence[TrainingCurve], series: str, width: int, *, colour: bool
) -> Iterator[RenderableType]:
    """For each stage the plot of one series over epochs, then the table.

    Runs overlay in colours; where there is no `colour`, or more runs than colours, each has a plot of its own.
    """
    from rich.text import Text

    for stage in dict.fromkeys(curve.stage for curve in curves):
        of_stage = [curve for curve in curves if curve.stage == stage and series in curve.series]
        together = colour and len(of_stage) <= len(STYLES)
        for group in [of_stage] if together else [[curve] for curve in of_stage]:
            lines = [_line(curve, series, STYLES[k % len(STYLES)]) for k, curve in enumerate(group)]
            if not lines:
                continue
            scale = ", logarithmic" if is_log(lines) else ""
            title = Text(f"{one_line(stage)}: {SERIES[series]} by epoch{scale}  ")
            for curve, line in zip(group, lines, strict=True):
                title.append(f" ● {one_line(curve.name)}", style=line.style)
            yield title
            yield from plot(lines, min(width, WIDEST))
            yield Text()
    yield _table(curves, width)


def _line(curve: TrainingCurve, series: str, style: str) -> Line:
    return Line(list(zip(map(float, curve.epochs), curve.series[series], strict=True)), style)


def _table(curves: Sequence[TrainingCurve], width: int) -> Table:
    from rich.text import Text

    notes = "kept: the epoch whose weights were kept, and the NLL of val after it; a logarithmic sparkline spans a factor of 10"
    table = ruled_table("", notes)
    narrow = width < 100
    table.add_column("run", overflow="fold")
    table.add_column("stage")
    for name in ("epochs", "kept", "val NLL"):
        table.add_column(name, justify="right")
    heads = ["val NLL"] if narrow else ["val NLL", "train loss"]
    for name in heads:
        table.add_column(f"course of {name}", no_wrap=True)
    for curve in curves:
        nll = curve.series.get("val_nll", ())
        at_kept = f"{nll[curve.epochs.index(curve.kept)]:.4f}" if nll and curve.kept in curve.epochs else NOTHING
        cells = [
            one_line(curve.name),
            one_line(curve.stage),
            str(curve.epochs[-1]),
            NOTHING if curve.kept is None else str(curve.kept),
            at_kept,
            *(sparkline(curve.series.get(name, ())) for name in ("val_nll", "train_loss")[: len(heads)]),
        ]
        table.add_row(*map(Text, cells))
    return table
