"""`--plugin FILE.py`: load a one-off plugin for this command; before the command's name, or after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def plugin_option(command: Command) -> Command:
    """The repeatable option `--plugin`. Its files are loaded while options are read; the command gets no argument."""
    option = click.option(
        "--plugin",
        multiple=True,
        metavar="FILE.py",
        expose_value=False,
        is_eager=True,
        callback=_load,
        help="Load a plugin from this file, which is not installed. Repeatable.",
    )
    return option(command)


def _load(context: click.Context, parameter: click.Parameter, files: tuple[str, ...]) -> None:
    """Load the files, unless the command line is only read for its completion."""
    if not files or context.resilient_parsing:
        return
    from calibench.plugins.load_plugin import load_plugin

    for file in files:
        load_plugin(file)
