"""`calibench curves RUN...`: the training curves of stored runs."""

from __future__ import annotations

from pathlib import Path

import click

from calibench.cli.command import Command
from calibench.cli.file_options import results_option
from calibench.cli.output import emit_text, stdout

FORMS = ("rich", "csv", "json", "svg")


@click.command(cls=Command, short_help="The training curves of stored runs.")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@results_option
@click.option(
    "--series",
    type=click.Choice(["val_nll", "train_loss"]),
    default="val_nll",
    show_default=True,
    help="What a plot shows; csv and json have both.",
)
@click.option("--stage", metavar="NAME", help="Only this stage, such as ce or vtst.")
@click.option("--format", "form", type=click.Choice(FORMS), help="Default: that of the ending of -o, else rich.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file, whole or not at all."
)
def curves(
    runs: tuple[str, ...], results: Path, series: str, stage: str | None, form: str | None, output: Path | None
) -> None:
    """The loss of train and the NLL of val by epoch, of each stage that RUN trained; several runs overlay.

    RUN is the id of a run, or its beginning.

    \b
    calibench curves digits-mlp-ce-s0
    calibench curves digits-mlp-ce-s0 digits-mlp-ce+vtst-s0 --stage ce
    calibench curves digits-mlp-ce+vtst-s0 -o curves.svg
    """
    from calibench.errors import InputError
    from calibench.records.find import find_record_by_id
    from calibench.report.training_curves import curves_csv, curves_json, merged, of_stage, training_curves

    form = form or ("rich" if output is None else output.suffix.lower().removeprefix("."))
    if form not in FORMS or (output is not None and form == "rich"):
        raise InputError(f"cannot write {str(output)!r} as {form or 'nothing'}", "name a .csv, .json or .svg")
    records = {record.run_id: record for record in (find_record_by_id(results, run) for run in runs)}
    found = of_stage([curve for record in records.values() for curve in training_curves(record)], stage)
    if form == "rich":
        from calibench.report.curves_terminal import curves_on_terminal

        console = stdout()
        colour = console.is_terminal and console.color_system is not None and not console.no_color
        for part in curves_on_terminal(merged(found), series, console.width, colour=colour):
            console.print(part)
        return
    if form == "svg":
        from calibench.report.curves_svg import curves_svg

        text = curves_svg(merged(found), series)
    else:
        text = curves_csv(found) if form == "csv" else curves_json(found)
    emit_text(text, output)
