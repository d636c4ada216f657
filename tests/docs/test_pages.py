"""The pages of documentation: links lead somewhere, every mention of a page exists, the index names every page."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(ROOT.glob("docs/**/*.md")) + [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
WIDTH = 100
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MENTION = re.compile(r"docs/[\w./-]+\.md")


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines outside blocks of code."""
    code = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        code ^= line.lstrip().startswith("```")
        if not code:
            yield number, line


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = [line.lstrip("#").strip() for _, line in prose(page) if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [*PAGES, ROOT / "leaderboards" / "README.md", ROOT / "csrc" / "README.md"], ids=name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for number, line in prose(page):
        for link in LINK.findall(line):
            if link.startswith(("http://", "https://")):
                continue
            file, _, anchor = link.partition("#")
            target = (page.parent / file).resolve() if file else page
            assert target.exists(), f"{name(page)}:{number} links to {link}"
            assert not anchor or anchor in anchors(target), f"{name(page)}:{number}: no heading {anchor} in {file}"


def test_every_mention_of_a_page_exists() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    for file in filter(None, listed.stdout.split("\0")):
        if not file.endswith((".py", ".md", ".toml", ".h", ".cpp", ".cu")) and file not in {"Makefile", ".ci/run"}:
            continue
        path = ROOT / file
        if not path.is_file():
            continue
        for mention in MENTION.findall(path.read_text(encoding="utf-8")):
            assert (ROOT / mention).is_file(), f"{file} names {mention}"


def test_the_index_names_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link).resolve() for _, line in prose(index) for link in LINK.findall(line)}
    missing = {page for page in ROOT.glob("docs/**/*.md") if page != index} - linked
    assert not missing, sorted(map(name, missing))


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")), ids=name)
def test_prose_is_wrapped(page: Path) -> None:
    long = [number for number, line in prose(page) if len(line) > WIDTH and not line.startswith("|")]
    assert not long, f"lines over {WIDTH} characters: {long}"
