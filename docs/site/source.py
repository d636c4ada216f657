"""The source of the site: the Markdown files of docs/ with links of the site, pages made from the code, and the navigation."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from navigation import INDEX, LINK, ROOT, Entry, Group, sections

DOCS = ROOT / "docs"
OUTSIDE = {
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/security.md",
    "csrc/README.md": "project/kernel-source.md",
    "leaderboards/README.md": "project/leaderboards.md",
    "README.md": "index.md",
}
"""Pages outside docs/ by their path, and their place on the site; the README's own text stays in the repository."""

HEADING = re.compile(r"^# (.+)$", re.MULTILINE)


def places() -> dict[Path, str]:
    """The path on the site of every page in the repository."""
    inside = {page: str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    outside = {ROOT / name: place for name, place in OUTSIDE.items() if (ROOT / name).exists()}
    return {**inside, **outside, INDEX: "index.md"}


@dataclass(frozen=True)
class MadePage:
    """A page that is made from the code: its place on the site, its text, and the pages below it."""

    place: str
    text: str
    below: tuple[MadePage, ...] = ()

    def all(self) -> Iterator[MadePage]:
        """The page and all pages below it."""
        yield self
        for page in self.below:
            yield from page.all()


def write_source(folder: Path, made: Iterable[MadePage]) -> None:
    """Write everything that the generator reads into `folder`; `made` are pages of the section Reference."""
    shutil.rmtree(folder, ignore_errors=True)
    by_page = places()
    for page, place in by_page.items():
        if page != ROOT / "README.md":
            _write(folder / place, with_site_links(page, place, by_page))
    for page in [page for top in made for page in top.all()]:
        if (folder / page.place).exists():
            raise SystemExit(f"the page {page.place} from the code would hide one of docs/")
        _write(folder / page.place, page.text)
        _append(folder / page.place, [below.place for below in page.below])
    for picture in [*DOCS.rglob("*.svg"), *DOCS.rglob("*.png")]:
        target = folder / picture.relative_to(DOCS)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, target)
    _write_navigation(folder, by_page, [page.place for page in made])


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def with_site_links(page: Path, place: str, by_page: Mapping[Path, str]) -> str:
    """The text of a page whose links lead to the site's pages."""
    change = _linker(page, place, by_page)
    return outside_code(page.read_text(encoding="utf-8"), change)


def _linker(page: Path, place: str, by_page: Mapping[Path, str]) -> Callable[[str], str]:
    """A function of the prose of `page`, which stands at `place`. A link to a file that is no page becomes code."""

    def replaced(match: re.Match[str]) -> str:
        text, link = match.groups()
        file, mark, anchor = link.partition("#")
        target = (page.parent / file).resolve()
        if not file or link.startswith(("http://", "https://")) or target.suffix in {".svg", ".png"}:
            return match.group()
        if not target.exists():
            raise SystemExit(f"{page}: a link leads to {link}, where nothing is")
        if target not in by_page:
            return f"`{target.relative_to(ROOT)}`"
        text = title(target) if text.endswith(".md") else text
        return f"[{text}]({os.path.relpath(by_page[target], Path(place).parent)}{mark}{anchor})"

    return lambda text: LINK.sub(replaced, text)


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """The text with `change` applied to what stands outside blocks of code; a link may run over two lines."""
    parts = re.split(r"(?ms)(^ *```.*?^ *```$)", text)
    return "".join(part if number % 2 else change(part) for number, part in enumerate(parts))


def title(page: Path) -> str:
    """The first heading of a page, up to a colon."""
    found = HEADING.search(page.read_text(encoding="utf-8"))
    if found is None:
        raise SystemExit(f"{page} has no heading")
    return found[1].partition(":")[0]


def _write_navigation(folder: Path, by_page: Mapping[Path, str], made: list[str]) -> None:
    """Append a tree of pages to the index for each section, to a group's page and to a page that has others below it."""
    for section in sections():
        names = [_entry(entry, folder, by_page) for entry in section.entries]
        names += [_group_page(group, section.title, folder, by_page) for group in section.groups]
        names += made if section.title == "Reference" else []
        _append(folder / "index.md", names, section.title)


def _entry(entry: Entry, folder: Path, by_page: Mapping[Path, str]) -> str:
    _append(folder / by_page[entry.page], [by_page[page] for page in entry.below])
    return by_page[entry.page]


def _group_page(group: Group, section: str, folder: Path, by_page: Mapping[Path, str]) -> str:
    """Write the page of a group: its heading and the items of docs/README.md."""
    words = re.sub(r"[^a-z]+", "-", group.title.lower()).strip("-")
    place = f"{section.lower()}/{words}.md"
    text = outside_code(group.text, _linker(INDEX, place, by_page))
    _write(folder / place, f"# {group.title}\n\n{text}\n")
    _append(folder / place, [_entry(entry, folder, by_page) for entry in group.entries])
    return place


def _append(file: Path, names: Iterable[str], caption: str = "") -> None:
    """Append a hidden tree of pages to a page."""
    lines = [f"/{name.removesuffix('.md')}" for name in names]
    if lines:
        head = ["```{toctree}", ":hidden:", *([f":caption: {caption}"] if caption else []), ""]
        with file.open("a", encoding="utf-8") as text:
            text.write("\n" + "\n".join([*head, *lines, "```"]) + "\n")
