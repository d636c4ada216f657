"""SECURITY.md: every line of its lists names a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
LISTS = ("## What is trusted", "## What is not trusted")


def lines_of(heading: str) -> list[str]:
    """The entries of the list under a heading, each in one line."""
    section = TEXT.partition(f"{heading}\n")[2].partition("\n## ")[0]
    return [" ".join(entry.split()) for entry in re.split(r"^- ", section, flags=re.M)[1:]]


def test_every_line_names_a_test_that_exists():
    lines = [line for heading in LISTS for line in lines_of(heading)]
    assert len(lines) > 15
    for line in lines:
        named = re.search(r"\((tests/[\w/]+\.py)(?:::(\w+))?\)\Z", line)
        assert named, f"no test is named: {line}"
        file = ROOT / named[1]
        assert file.is_file(), named[1]
        found = re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.M)
        assert found, named[1]
        assert named[2] is None or named[2] in found, named[0]


def test_the_page_says_how_to_report_and_what_is_left_to_the_reader():
    assert "## How to report" in TEXT
    assert "nothing signs records" in TEXT
