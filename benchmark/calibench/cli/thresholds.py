"""`calibench thresholds FILE`: decision rules that reach a target, their guarantees, and the curves that they lie on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from calibench.cli.file_options import max_memory_option
from calibench.cli.input_options import columns_option
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.option_sections import SectionedCommand
from calibench.cli.output import plugin_output_to_stderr, print_line, stdout, to_stderr, warn_about_broken_plugins

if TYPE_CHECKING:
    from rich.table import Table

    from calibench.evaluation.operating_points import Wanted
    from calibench.evaluation.thresholds import ThresholdsRecord
    from calibench.outputs.readers import Columns

Function = TypeVar("Function", bound=Callable[..., Any])


def _target(name: str, meaning: str) -> Callable[[Function], Function]:
    return click.option(f"--target-{name}", multiple=True, type=float, metavar="SHARE", help=meaning)


@click.command(cls=SectionedCommand, short_help="Find the threshold for a target risk, precision or recall.")
@click.argument("file", type=click.Path(path_type=Path))
@columns_option
@_target(
    "risk", "Answer as many samples as it can while at most this share of the answers is wrong. May be given again."
)
@_target("coverage", "Answer as few samples as it can, but at least this share of them, the surest.")
@_target("precision", "Answer positive as often as it can while at least this share of these answers is right.")
@_target("recall", "Answer positive as seldom as it can while at least this share of the positive samples is found.")
@click.option(
    "--cost",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="MATRIX.csv",
    help="Decide at the least expected cost.",
)
@click.option("--guarantee", type=click.Choice(["clopper-pearson", "sgr", "none"]), help="Default: clopper-pearson.")
@click.option("--delta", type=float, help="The probability that a guarantee fails. Default: 0.05.")
@click.option("--score", metavar="NAME", help="What ranks samples for risk and coverage. Default: max-softmax.")
@click.option("--fit", metavar="RECIPE", help="Calibrators before the rule, fitted to the same FILE, as temperature.")
@click.option(
    "--judge-on",
    type=click.Path(path_type=Path),
    metavar="OTHER",
    help="Judge the rules on these samples, not on FILE.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OUT.svg",
    help="Draw the curves (.svg, .png, .pdf).",
)
@max_memory_option
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print no notes and no table.")
def thresholds(
    file: Path,
    columns: Columns,
    judge_on: Path | None,
    plot: Path | None,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Fit decision rules to FILE: which confidence must an answer have, and what does that promise?

    The rules are those of `calibench evaluate --fit threshold:...`. Without a target, four error rates are tried.

    \b
    calibench thresholds val.npz --target-risk .02 --judge-on test.npz
    calibench thresholds val.csv --target-precision .95 --positive yes
    calibench thresholds val.npz --cost costs.csv --json
    """
    from calibench.evaluation.thresholds import with_files
    from calibench.plugins.discovery import registry
    from calibench.report.diagram import check_plot

    if plot is not None:
        check_plot(plot)
    warn_about_broken_plugins(registry())
    with plugin_output_to_stderr():
        record = with_files(_record(file, columns, judge_on, options), file, judge_on)
    if plot is not None:
        from calibench.report.curves import draw_curves

        draw_curves(record.to_dict(), plot)
        if not quiet:
            to_stderr(f"wrote {plot}")
    if as_json:
        emit_json(record.to_dict())
    elif not quiet:
        _print(record)


def _record(file: Path, columns: Columns, judge_on: Path | None, options: dict[str, Any]) -> ThresholdsRecord:
    from calibench.evaluation.thresholds import RuleOptions, operating_points
    from calibench.outputs.readers import aligned, read_samples

    read = read_samples(file, columns)
    elsewhere = None if judge_on is None else aligned(read_samples(judge_on, columns), read)
    for note in (*read.notes, *(() if elsewhere is None else elsewhere.notes)):
        to_stderr(f"note: {note}")
    delta = options["delta"]
    rule = RuleOptions(
        columns.positive,
        options["guarantee"],
        None if delta is None else f"{delta:g}",
        options["score"],
        options["fit"],
    )
    return operating_points(
        read.samples,
        _wanted(options),
        rule,
        judge_on=None if elsewhere is None else elsewhere.samples,
        class_names=read.class_names,
    )


def _wanted(options: dict[str, Any]) -> list[Wanted]:
    from calibench.evaluation.operating_points import TARGETS, Wanted

    targets = [Wanted(name, f"{value!r}") for name in TARGETS for value in options[name]]
    return [*targets, *(Wanted("cost", str(path)) for path in options["cost"])]


def _print(record: ThresholdsRecord) -> None:
    from calibench.cli.narrow import no_room, widest

    console = stdout()
    where = "" if record.judged_on is None else f"; judged on {record.judged_on}: {record.judged_n} samples"
    print_line(console, f"{record.file}: {record.n} samples, {record.classes} classes{where}")
    table, left_out = widest(console, ((), ("intervals",)), lambda without: points_table(record, without))
    console.print(table)
    for line in no_room(left_out):
        print_line(console, line)
    if record.judged_on is None:
        print_line(console, "figures: of the samples that chose the thresholds; --judge-on OTHER shows others")
    if any(point["want"] in ("target_precision", "target_recall") for point in record.points):
        print_line(console, _positive(record))
    for number, point in enumerate(record.points, 1):
        print_line(console, f"{number}: {point['promise']}")
        if point["note"]:
            print_line(console, f"{number}: note: {point['note']}")
    print_line(console, "to use one: --fit RECIPE of calibench evaluate, or the last stages of calibench run --method")


def points_table(record: ThresholdsRecord, left_out: Collection[str] = ()) -> Table:
    """A row for each rule: what is wanted, the threshold, and what it does, with intervals unless they are left out."""
    from rich.text import Text

    from calibench.report.format import NOTHING
    from calibench.report.tables import ruled_table

    names = [("coverage", "answered %"), ("risk", "error rate %"), ("precision", "precision %"), ("recall", "recall %")]
    names.append(("mean_cost", "mean cost"))
    rows = [point["fitted"] if point["judged"] is None else point["judged"] for point in record.points]
    shown = [(name, head) for name, head in names if any(name in row for row in rows)]
    table = ruled_table()
    for head in ("", "recipe"):
        table.add_column(head, overflow="fold")
    for head in ("threshold", *(head for _, head in shown)):
        table.add_column(head, justify="right", no_wrap=True)
    for number, (point, row) in enumerate(zip(record.points, rows, strict=True), 1):
        threshold = point["threshold"]
        limit = point["accepts"] or NOTHING if threshold is None else _limit(threshold)
        cells = [_cell(row.get(name), name, "intervals" not in left_out) for name, _ in shown]
        table.add_row(*map(Text, (f"{number}", point["recipe"], limit, *cells)))
    return table


def _positive(record: ThresholdsRecord) -> str:
    """The class that is answered as positive."""
    place = record.curves.get("precision_recall", {}).get("positive", 1)
    name = record.class_names[place] if record.class_names else place
    return f"positive: class {name}; --positive names another"


def _limit(threshold: float) -> str:
    """A threshold; one that rounds to 1 by its distance from 1."""
    text = f"{threshold:.6g}"
    return f"1 - {1 - threshold:.2g}" if text == "1" and threshold < 1 else text


def _cell(figure: dict[str, Any] | None, name: str, interval: bool) -> str:
    from calibench.report.format import NOTHING, figure_with_interval

    if figure is None or figure["value"] is None:
        return NOTHING
    return figure_with_interval(
        figure["value"], _bounds(figure) if interval else None, "" if name == "mean_cost" else "fraction"
    )


def _bounds(figure: dict[str, Any]) -> Sequence[float] | None:
    bounds: Sequence[float] | None = figure["interval"]
    return bounds
