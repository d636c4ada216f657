"""`calibench apply MAP.json FILE`: calibrated probabilities, decisions and sets of new rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calibench.cli.file_options import max_memory_option, rows_output_option
from calibench.cli.input_options import columns_option
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.option_sections import SectionedCommand
from calibench.cli.output import plugin_output_to_stderr, print_line, stdout, to_stderr, warn_about_broken_plugins
from calibench.progress import AfterPatience
from calibench.report.progress_bar import progress

if TYPE_CHECKING:
    from calibench.maps.apply import Applied


@click.command(cls=SectionedCommand, short_help="Write calibrated probabilities of FILE by a map.")
@click.argument("map_file", metavar="MAP.json", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@columns_option
@rows_output_option
@click.option(
    "--stream",
    is_flag=True,
    help="Read FILE (.npy, .npz, .safetensors, .parquet, with labels) in one pass, so that it may be larger than memory.",
)
@max_memory_option
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def apply(map_file: Path, file: Path, columns: Any, output: Path, stream: bool, as_json: bool, quiet: bool) -> None:
    """Map the logits or probabilities in FILE by MAP.json; labels may be missing.

    OUT has calibrated probabilities, labels where FILE has them, and the decisions and sets of a rule, so that
    calibench evaluate OUT judges it.

    \b
    calibench apply map.json new.npz -o calibrated.npz
    calibench apply map.json new.csv -o calibrated.parquet
    """
    from calibench.atomic import refuse_overwriting
    from calibench.maps.apply import apply_map
    from calibench.maps.calibration_map import load_map
    from calibench.plugins.discovery import registry

    refuse_overwriting(output, map_file, columns.label, columns.truth)
    warn_about_broken_plugins(registry())
    with plugin_output_to_stderr(), progress("apply", quiet) as report:
        fitted = load_map(map_file)
        applied = apply_map(fitted, file, output, columns, stream=stream, report=AfterPatience(report))
    for note in [] if quiet else applied.notes:
        to_stderr(f"note: {note}")
    if as_json:
        emit_json(_document(applied, fitted.recipe, output))
    elif not quiet:
        for line in _lines(applied, fitted.recipe, output):
            print_line(stdout(), line)


def _document(applied: Applied, recipe: str, output: Path) -> dict[str, Any]:
    """The summary as JSON."""
    return {
        "file": str(output),
        "recipe": recipe,
        "rows": applied.rows,
        "abstained": applied.abstained,
        "adapted": applied.adapted,
        "notes": applied.notes,
    }


def _lines(applied: Applied, recipe: str, output: Path) -> list[str]:
    """The summary in sentences."""
    lines = [f"{output}: {applied.rows} samples mapped by {recipe}"]
    if applied.abstained:
        share = 100 * applied.abstained / applied.rows
        lines.append(f"the rule abstains on {applied.abstained} of them ({share:.2f} %)")
    for stage, values in applied.adapted.items():
        lines.append(f"{stage} took from these rows: {', '.join(f'{key} {_short(values[key])}' for key in values)}")
    return lines


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_short(item) for item in value[:10]) + (", ...]" if len(value) > 10 else "]")
    return f"{value:.4g}" if isinstance(value, float) else str(value)
