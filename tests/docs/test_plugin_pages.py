"""The pages of the plugin kit: the tables name every check and every function, and the API's version and variables exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import calibench
import calibench.testing
from calibench.moved import MOVED
from calibench.testing.checks import MODULES, checks_of
from calibench.testing.listing import CHECKS

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "docs" / "reference" / "plugins.md").read_text(encoding="utf-8")
STABILITY = (ROOT / "docs" / "reference" / "stability.md").read_text(encoding="utf-8")


def first_cells(text: str) -> set[str]:
    """The words of the first column of every table, split at commas."""
    cells = re.findall(r"^\| ([^|]+?) \|", text, re.MULTILINE)
    return {word.strip() for cell in cells for word in cell.split(",")}


def test_the_table_names_every_check_and_no_other():
    section = REFERENCE.split("\n## Checks\n")[1].split("\n## ")[0]
    names = {check.name for family in MODULES for check in checks_of(family)} | {check.name for check in CHECKS}
    assert first_cells(section) - {"check"} == names | {"standard output", "second process"}


def test_the_table_names_every_function_of_testing():
    section = REFERENCE.split("\n## calibench.testing\n")[1].split("\n## ")[0]
    named = set(re.findall(r"`(\w+)", section))
    assert set(calibench.testing.__all__) - {"Verdict"} <= named


def test_the_pages_of_stability_states_the_version_and_every_moved_module():
    assert f"`{calibench.API_VERSION}`" in STABILITY
    assert f'CALIBENCH_API = "{calibench.API_VERSION}"' in STABILITY
    rows = dict(re.findall(r"^\| `(calibench[\w.]+)` \| `(calibench[\w.]+)` \|", STABILITY, re.MULTILINE))
    assert rows == {old: new[0] for old, new in MOVED.items()}


@pytest.mark.parametrize("variable", sorted(set(re.findall(r"CALIBENCH_[A-Z_]+", REFERENCE))))
def test_every_variable_of_the_page_is_read_somewhere(variable):
    sources = (ROOT / "benchmark" / "calibench").rglob("*.py")
    assert any(f'"{variable}"' in path.read_text(encoding="utf-8") for path in sources)
