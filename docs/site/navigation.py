"""The navigation of the site: the sections, groups and pages of docs/README.md, in its order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INDEX = ROOT / "docs" / "README.md"
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")


@dataclass
class Entry:
    """A page, and the pages below it: the first link of an item of the list, and the other ones."""

    page: Path
    below: list[Path] = field(default_factory=list)


@dataclass
class Group:
    """The pages under a heading, and the text there."""

    title: str
    entries: list[Entry] = field(default_factory=list)
    text: str = ""


@dataclass
class Section:
    """A heading of the second level: pages of its own, then groups of pages."""

    title: str
    entries: list[Entry] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)


def sections(text: str | None = None) -> list[Section]:
    """The sections of docs/README.md (or of `text`) that list pages. An item lists pages if it begins with a link."""
    found: list[Section] = []
    for block in re.split(r"(?m)^(?=##+ )", text or INDEX.read_text(encoding="utf-8"))[1:]:
        heading, _, body = block.partition("\n")
        title, entries = heading.lstrip("# "), list(_entries(body))
        if heading.startswith("### "):
            found[-1].groups.append(Group(title, entries, body.strip()))
        else:
            found.append(Section(title, entries))
    return [section for section in found if section.entries or section.groups]


def _entries(body: str) -> Iterator[Entry]:
    for item in re.findall(r"(?ms)^- \[.*?(?=^- |^\S|\Z)", body):
        pages = [(INDEX.parent / link.partition("#")[0]).resolve() for _, link in LINK.findall(item)]
        yield Entry(pages[0], list(dict.fromkeys(pages[1:])))


def pages() -> set[Path]:
    """Every page that the navigation names."""
    return {
        page
        for section in sections()
        for entry in [*section.entries, *(entry for group in section.groups for entry in group.entries)]
        for page in [entry.page, *entry.below]
    }
