"""`calibench plugin new`: a complete package with one working example."""

from __future__ import annotations

from pathlib import Path

import click

from calibench.cli.command import Command
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.output import to_stderr
from calibench.records import schemas

KINDS = ("method", "dataset", "model", "metric", "noise", "shift", "reader", "launcher")


@click.command(cls=Command, short_help="Write a package with a working example, tests and a CI file.")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), default="method", show_default=True, help="The kind of the example.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="The new folder. Default: NAME, here."
)
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def new(name: str, kind: str, output: Path | None, as_json: bool, quiet: bool) -> None:
    """Write a package for a plugin: pyproject.toml, one working example, its tests, a README and a CI file.

    NAME is the name of the distribution and of what it offers; calibench-halve offers halve. It has at most 100 characters.

    \b
    calibench plugin new my-method
    calibench plugin new my-data --kind dataset
    """
    from calibench.plugins.new_package import write_package

    files = write_package(name, kind, output)
    folder = Path(name) if output is None else output
    if as_json:
        emit_json({"schema": schemas.PLUGIN_NEW, "folder": str(folder), "files": [str(file) for file in files]})
    elif not quiet:
        to_stderr(f"wrote {len(files)} files in {folder}; next:")
        plugin = next(file for file in files if file.name == "plugin.py")
        to_stderr(f'  edit {plugin}\n  cd {folder} && pip install -e ".[test]"\n  calibench plugin check && pytest')
