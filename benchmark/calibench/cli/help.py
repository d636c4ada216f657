"""`calibench help [COMMAND]`: the text of `--help`."""

from __future__ import annotations

from typing import Any

import click

from calibench.cli.command import Command
from calibench.errors import did_you_mean


def _words(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """The commands that a shell may complete to."""
    group = ctx.find_root().command
    return [name for name in group.list_commands(ctx) if name.startswith(incomplete)]  # type: ignore[attr-defined]


@click.command("help", cls=Command, short_help="Show the help of a command.")
@click.argument("command", nargs=-1, shell_complete=_words)
@click.pass_context
def help_(ctx: click.Context, command: tuple[str, ...]) -> None:
    """Show the help of COMMAND, or of calibench.

    \b
    calibench help
    calibench help run
    calibench help bench kernels
    """
    parent = ctx.find_root()
    found = parent.command
    for word in command:
        names = found.list_commands(parent) if isinstance(found, click.Group) else []
        if word not in names:
            raise click.UsageError(f"there is no command {word!r}; {did_you_mean(word, names)}", parent)
        assert isinstance(found, click.Group)
        following = found.get_command(parent, word)
        assert following is not None
        settings = {key: getattr(parent, key) for key in ("max_content_width", "terminal_width")}
        found, parent = following, click.Context(following, parent, word, **settings)
    click.echo(found.get_help(parent))
