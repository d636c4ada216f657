"""The blocks of code in the pages: their languages, and the commands of calibench in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A block of code: its page, by the path in the repository, its language and its text."""

    page: str
    language: str
    text: str


def blocks(*languages: str) -> list[Block]:
    """The blocks of all pages in these languages."""
    return [
        Block(str(page.relative_to(ROOT)), language, text)
        for page in PAGES
        for language, text in BLOCK.findall(page.read_text(encoding="utf-8"))
        if language in languages
    ]


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of calibench in a script, without `calibench` itself and without redirections."""
    values = dict(re.findall(r"^(\w+)=(\S+)$", text, re.MULTILINE))
    for name, value in values.items():
        text = text.replace(f"${name}", value)
    for line in re.sub(r"\\\n *", "", text).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|>")
        lexer.whitespace_split = True
        lexer.commenters = "#"
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set(";&|>"):
                if "calibench" in words:
                    yield words[words.index("calibench") + 1 :]
                words = []
            else:
                words.append(word)
