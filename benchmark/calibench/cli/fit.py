"""`calibench fit FILE`: a calibration map as one JSON file, to be applied anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calibench.cli.complete_names import recipes
from calibench.cli.file_options import max_memory_option
from calibench.cli.input_options import columns_option
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.option_sections import SectionedCommand
from calibench.cli.output import plugin_output_to_stderr, print_line, stdout, to_stderr, warn_about_broken_plugins
from calibench.cli.plugin_option import plugin_option

if TYPE_CHECKING:
    from calibench.maps.calibration_map import CalibrationMap


@click.command(cls=SectionedCommand, short_help="Fit a calibration map, one JSON file, to labelled outputs.")
@click.argument("file", type=click.Path(path_type=Path))
@columns_option
@click.option(
    "--method",
    metavar="RECIPE",
    shell_complete=recipes,
    default="auto",
    show_default=True,
    help="Calibrators and a decision rule, as temperature+threshold:value=0.8; auto takes what the advice names.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="MAP.json",
    help="The map.",
)
@click.option("--soft", metavar="NAME", help="Shares of people who gave each label, from which labels are drawn.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of fits that draw at random.")
@plugin_option
@max_memory_option
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def fit(
    file: Path,
    columns: Any,
    method: str,
    output: Path,
    soft: str | None,
    seed: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fit a calibration map to the labelled logits or probabilities in FILE, and write it as one JSON file.

    \b
    calibench fit val.npz -o map.json             the map that the advice names
    calibench fit val.npz --method temperature -o map.json
    calibench apply map.json new.npz -o calibrated.npz
    """
    from calibench.atomic import refuse_missing_folder, refuse_overwriting
    from calibench.maps.fit import fit_file
    from calibench.outputs.readers import read_soft
    from calibench.plugins.discovery import registry

    refuse_missing_folder(output)
    refuse_overwriting(output, file, columns.label, columns.truth, soft)
    warn_about_broken_plugins(registry())
    shares = None if soft is None else read_soft(file, soft)
    with plugin_output_to_stderr():
        fitted, notes = fit_file(file, columns, method, soft=shares, seed=seed)
    fitted.save(output)
    for note in [] if quiet else notes:
        to_stderr(f"note: {note}")
    if as_json:
        emit_json(fitted.document.to_dict())
    elif not quiet:
        _print(fitted, output)


def _print(fitted: CalibrationMap, output: Path) -> None:
    """Two lines: what was fitted, and how it is applied."""
    console, document = stdout(), fitted.document
    several = document.labels_per_sample > 1
    what = f"{document.labels_per_sample} labels" if several else f"{document.classes} classes"
    kind = "logits" if document.scores == "logits" else "probabilities"
    rows = document.fitted_on["rows"]
    print_line(console, f"{output}: {fitted.recipe}, fitted on {rows} samples of {kind} of {what}")
    print_line(console, f"apply it: calibench apply {output} NEW -o OUT.npz, or calibench.load_map({str(output)!r})")
