"""`calibench plugin`: write a plugin, check one, and list those that are installed."""

from __future__ import annotations

import importlib

import click

from calibench.errors import did_you_mean

COMMANDS = {"new": "new", "check": "check", "list": "list_plugins"}
"""The commands, each the function of that name in `plugin_COMMAND.py`, in the order of their use."""


class _Group(click.Group):
    """A group that imports the file of a command when it is asked for, and suggests the nearest command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            raise click.UsageError(f"there is no command {cmd_name!r}; {did_you_mean(cmd_name, COMMANDS)}", ctx)
        command: click.Command = getattr(
            importlib.import_module(f"calibench.cli.plugin_{cmd_name}"), COMMANDS[cmd_name]
        )
        return command


@click.group(cls=_Group, short_help="Write a plugin of your own, check one, or list those that are there.")
def plugin() -> None:
    """Write a plugin of your own, check one, or list those that are there.

    \b
    calibench plugin new my-method                a package with a working example
    calibench plugin check my-method/             every check of it, a line each
    calibench plugin check my_method.py           the same of a single file
    calibench plugin list                         what is installed, what failed
    """
