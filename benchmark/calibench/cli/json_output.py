"""`--json`: the option, and the one place where a document goes to standard output or to a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from calibench.cli.output import to_stderr

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """The option `--json`, which a command gets as `as_json`."""
    option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
    return option(command)


def json_file_option(command: Command) -> Command:
    """The option `--output FILE` of a command whose result is one JSON document."""
    option = click.option(
        "--output",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write the JSON to this file, whole or not at all.",
    )
    return option(command)


def emit_json(document: Any) -> None:
    """Print the document: exactly one JSON object on standard output."""
    from calibench.report.format import json_text

    click.echo(json_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)))


def save_json(document: Any, output: Path, *, quiet: bool) -> None:
    """Write the document to the file of `--output`, and say so unless `quiet`."""
    from calibench.atomic import write_json

    write_json(output, document)
    if not quiet:
        to_stderr(f"wrote {output}")
