"""A page for each command, from click: its help, its arguments and its options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence

import click
from markdown_text import table
from source import MadePage

from calibench.cli import cli

TOP = """\
# Commands

Made from the commands themselves: `calibench COMMAND --help` prints the same. Exit codes: 0 done,
2 a mistake in the command or its input, 1 a run that failed or a check that does not hold. `--json`
puts exactly one JSON object on standard output.

"""


def commands() -> dict[str, click.Command]:
    """The commands by their names, with those of groups as `bench kernels`."""
    context = click.Context(cli, info_name="calibench")
    found: dict[str, click.Command] = {}
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        if command is not None and not command.hidden:
            found[name] = command
            if isinstance(command, click.Group):
                found |= {f"{name} {part}": below for part, below in sorted(command.commands.items())}
    return found


def command_page() -> MadePage:
    """The page that lists the commands, and below it a page each."""
    found = commands()
    rows = [(f"[`{name}`](commands/{_file(name)})", _escaped(c.get_short_help_str(200))) for name, c in found.items()]
    below = tuple(MadePage(f"reference/commands/{_file(name)}", page(name, command)) for name, command in found.items())
    return MadePage("reference/commands.md", TOP + table(("command", "what it does"), rows) + "\n", below)


def _file(name: str) -> str:
    return f"{name.replace(' ', '-')}.md"


def page(name: str, command: click.Command) -> str:
    """Usage, help text, and a table of options for each section of the help."""
    context = click.Context(command, info_name=f"calibench {name}", terminal_width=100)
    usage = command.get_usage(context).removeprefix("Usage: ")
    parts = [f"# `calibench {name}`", f"```text\n{usage}\n```", *help_text(command.help or "")]
    parts += help_text(command.epilog or "")
    parts += [f"## {heading}\n\n{table(('option', 'meaning'), rows)}" for heading, rows in options(command, context)]
    return "\n\n".join(parts) + "\n"


def help_text(text: str) -> Iterator[str]:
    """The paragraphs of a help text; one that click must not wrap (after \\b) is a block of code."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if paragraph.startswith("\b"):
            yield f"```text\n{paragraph.removeprefix(chr(8)).strip(chr(10))}\n```"
        elif paragraph.strip():
            yield _escaped(" ".join(paragraph.split()))


def options(command: click.Command, context: click.Context) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The sections of a help with their options, as click's formatter gets them."""
    recorder = _Recorder()
    command.format_options(context, recorder)
    for heading, rows in recorder.sections:
        yield heading, [(f"`{option}`", _escaped(meaning)) for option, meaning in rows]


class _Recorder(click.HelpFormatter):
    """A formatter that keeps the rows of definition lists."""

    def __init__(self) -> None:
        super().__init__()
        self.sections: list[tuple[str, list[tuple[str, str]]]] = []
        self.heading = ""

    def write_heading(self, heading: str) -> None:
        self.heading = heading

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        self.sections.append((self.heading, list(rows)))


OPTION = re.compile(r"(?<![\w`-])--?[a-z][\w-]*")


def _escaped(text: str) -> str:
    """The text with code around options, and the signs escaped that Markdown would read, outside code."""
    parts = OPTION.sub(lambda match: f"`{match.group()}`", text).split("`") if "`" not in text else text.split("`")
    return "`".join(p if n % 2 else re.sub(r"([*<~_\[\]|$])", r"\\\1", p) for n, p in enumerate(parts))
