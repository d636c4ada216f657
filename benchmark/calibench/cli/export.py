"""`calibench export MAP.json`: a calibration map as an ONNX graph, or as lines of numpy to paste."""

from __future__ import annotations

from pathlib import Path

import click

from calibench.cli.option_sections import SectionedCommand
from calibench.cli.output import to_stderr
from calibench.errors import InputError


@click.command(cls=SectionedCommand, short_help="Write a map as an ONNX graph, or as code to paste.")
@click.argument("map_file", metavar="MAP.json", type=click.Path(path_type=Path))
@click.option(
    "--onnx",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OUT.onnx",
    help="Write an ONNX graph: scores [N, K] to probs [N, K], in float32.",
)
@click.option("--snippet", is_flag=True, help="Print a function in plain numpy, for maps of few numbers.")
@click.option("-q", "--quiet", is_flag=True, help="Print no notes.")
def export(map_file: Path, onnx: Path | None, snippet: bool, quiet: bool) -> None:
    """Write the map of calibench fit in a form that runs without calibench.

    \b
    calibench export map.json --onnx map.onnx
    calibench export map.json --snippet
    """
    from calibench.atomic import refuse_overwriting
    from calibench.maps.calibration_map import load_map

    if onnx is None and not snippet:
        raise InputError("no form to export to", "add --onnx OUT.onnx, or --snippet")
    if onnx is not None:
        refuse_overwriting(onnx, map_file)
    fitted = load_map(map_file)
    if snippet:
        click.echo(fitted.snippet(), nl=False)
    if onnx is not None:
        fitted.to_onnx(onnx)
        if not quiet:
            to_stderr(f"wrote {onnx}")
