"""The manual as man pages, from click's commands: `make man` writes build/man/calibench.1, calibench-run.1 and the others.

click-man knows neither commands that are imported when they are called nor paragraphs that keep their lines.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from calibench.cli import cli
from calibench.version import __version__

FOLDER = Path(__file__).resolve().parents[2] / "build" / "man"

EXIT_CODES = {"0": "done", "1": "a run or a gate failed", "2": "a mistake of the user", "130": "interrupted"}

VARIABLES = {
    "CALIBENCH_DATA": "the folder of published datasets",
    "CALIBENCH_BACKEND": "auto, fused or reference: the kernels that serve",
    "CALIBENCH_DISABLE_PLUGINS": "names of plugins that are not loaded, joined by commas",
    "CALIBENCH_TRACEBACK": "if set, an error ends with Python's traceback",
}


def roff(text: str) -> str:
    """A text as roff shows it letter by letter."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in escaped.split("\n"))


def commands(
    command: click.Command, path: tuple[str, ...] = ("calibench",)
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """The command and all below it, with their words."""
    yield path, command
    if isinstance(command, click.Group):
        ctx = click.Context(command, info_name=path[-1])
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None
            yield from commands(below, (*path, name))


def paragraphs(command: click.Command) -> tuple[list[str], list[str]]:
    """The prose of a help text, and its paragraphs that keep their lines, as examples do."""
    prose, kept = [], []
    for part in inspect.cleandoc(command.help or "").split("\n\n"):
        (kept if part.startswith("\b\n") else prose).append(part.removeprefix("\b\n"))
    return [" ".join(part.split()) for part in prose], kept


def page(path: tuple[str, ...], command: click.Command) -> str:
    """The page of one command."""
    ctx = click.Context(command, info_name=" ".join(path), max_content_width=100, help_option_names=["-h", "--help"])
    prose, examples = paragraphs(command)
    name, summary = "-".join(path), command.get_short_help_str(limit=300)
    usage = " ".join(command.collect_usage_pieces(ctx))
    lines = [
        f'.TH "{roff(name.upper())}" "1" "" "calibench {__version__}" "calibench"',
        *(".SH NAME", f"{roff(name)} \\- {roff(summary)}"),
        *(".SH SYNOPSIS", f".B {roff(' '.join(path))}", roff(usage)),
        ".SH DESCRIPTION",
        *(line for part in prose for line in (".PP", roff(part))),
    ]
    if examples:
        lines += [
            ".SH EXAMPLES",
            *(line for part in examples for line in (".PP", ".nf", roff(inspect.cleandoc(part)), ".fi")),
        ]
    records = [param.get_help_record(ctx) for param in command.get_params(ctx)]
    lines += [".SH OPTIONS", *entries({record[0]: record[1] for record in records if record is not None and record[1]})]
    if isinstance(command, click.Group):
        below = {
            names[-1]: found.get_short_help_str(limit=300)
            for names, found in commands(command, path)
            if names[:-1] == path
        }
        lines += [".SH COMMANDS", *entries(below)]
    lines += [".SH EXIT STATUS", *entries(EXIT_CODES), ".SH ENVIRONMENT", *entries(VARIABLES)]
    others = "calibench\\-COMMAND(1), calibench help COMMAND" if len(path) == 1 else "calibench(1)"
    return "\n".join([*lines, ".SH SEE ALSO", others]) + "\n"


def entries(texts: dict[str, str]) -> list[str]:
    """A list of terms, each with its text."""
    return [
        line for term, text in texts.items() for line in (".TP", f".B {roff(term)}", roff(re.sub(r"\s+", " ", text)))
    ]


def write(folder: Path) -> list[Path]:
    """Write every page; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for path, command in commands(cli):
        files.append(folder / f"{'-'.join(path)}.1")
        files[-1].write_text(page(path, command), encoding="utf-8")
    return files


if __name__ == "__main__":
    written = write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
    print(f"{len(written)} pages; man -l {written[0]}")
