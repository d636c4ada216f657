"""Text of specs as Markdown: code, links, escapes, wrapped paragraphs, tables, and equations as blocks."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

WIDTH = 100

SETTING = re.compile(r"(?<![\w`/])(?:[a-z][\w-]*:)?[a-z][a-z_]*=[\w./;=-]*\w")
"""`key=value`, alone or after a name, as a user types it."""

PAGE = re.compile(r"docs/([\w/-]+\.md)")
ARXIV = re.compile(r"arXiv[ :](\d{4}\.\d{4,5})")
LIST_MARK = re.compile(r"\A(\d*)([-+*#>]|(?<=\d)[.)])(?=\s)")
"""What would begin a list, a heading or a quotation at the start of a line."""


def marked_up(text: str) -> str:
    """The text with code around settings, links of pages and of arXiv, and the signs escaped that Markdown would read."""
    parts = text.split("`")
    return "`".join(part if number % 2 else _prose(part) for number, part in enumerate(parts))


def _prose(text: str) -> str:
    coded = SETTING.sub(lambda match: f"`{match.group()}`", text)
    parts = coded.split("`")
    return "`".join(part if number % 2 else _linked(_escaped(part)) for number, part in enumerate(parts))


def _escaped(text: str) -> str:
    return re.sub(r"([*<~])", r"\\\1", text)


def _linked(text: str) -> str:
    text = PAGE.sub(r"[\1](../../\1)", text)
    return ARXIV.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def without_links(text: str) -> str:
    """The text with the words of each link alone: for a page in another folder."""
    return re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)


def ended(text: str) -> str:
    """The text with a full stop, unless it has one."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def paragraph(text: str, first: str = "", further: str = "") -> str:
    """The text wrapped; `first` and `further` begin its first line and the others."""
    wrapped = textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=further,
        break_on_hyphens=False,
        break_long_words=False,
    ).splitlines()
    escaped = [further + LIST_MARK.sub(r"\1\\\2", line.removeprefix(further)) for line in wrapped[1:]]
    return "\n".join([*wrapped[:1], *escaped])


def bullet(text: str, indent: str = "") -> str:
    """The text as an item of a list."""
    return paragraph(text, f"{indent}- ", f"{indent}  ")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; a bar inside a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def equation_block(equation: str) -> str:
    """A block of code with a line for each part of the equation that a semicolon ends."""
    lines = [
        textwrap.fill(part, WIDTH, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False)
        for part in split_outside_brackets(equation)
    ]
    return "\n".join(["```text", *lines, "```"])


def split_outside_brackets(text: str) -> list[str]:
    """The parts between semicolons that stand outside brackets."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        if sign == ";" and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]
