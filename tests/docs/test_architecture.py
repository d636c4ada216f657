"""docs/architecture.md: every file that it names exists, each answer holds its symbol, and its rooms are those of the core."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
BASES = [ROOT, *(ROOT / "benchmark").glob("calibench"), *(ROOT / "plugins").glob("calibench_*"), ROOT / "docs"]


def module(path: Path) -> ModuleType:
    """A module of tests/, loaded by its path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its first two lines."""
    section = TEXT.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


NAMES = sorted(
    {name for name in re.findall(r"`([\w./-]+(?:\.py|\.cpp|\.md|/))`", TEXT) if not re.search("[A-Z]{4}", name)}
)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_page_names_is_there(name: str) -> None:
    if "/" in name.rstrip("/"):
        assert any((base / name).exists() for base in BASES)
    else:
        assert any(path for base in BASES[1:] for path in base.rglob(name.rstrip("/"))) or (ROOT / name).exists()


def test_there_are_twelve_questions() -> None:
    assert len(rows("Twelve questions")) == 12


@pytest.mark.parametrize(("question", "file", "symbol"), rows("Twelve questions"))
def test_the_file_that_answers_a_question_holds_the_symbol(question: str, file: str, symbol: str) -> None:
    assert question.endswith("?")
    (path,), (name,) = re.findall("`(.+)`", file), re.findall("`(.+)`", symbol)
    text = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"^(class|def) {name}\b|^class \w+\({name}\):$", text, re.MULTILINE)


def test_the_rooms_are_those_of_the_core_in_their_order() -> None:
    structure = module(ROOT / "tests" / "structure.py")
    named = [
        name.strip("/").removesuffix(".py")
        for cells in rows("The rooms of the core")
        for name in re.findall(r"`([\w./]+)`", cells[0])
    ]
    rooms = structure.rooms()
    assert set(named) == {room for room in rooms if not room.startswith("__")}
    levels = structure.levels(rooms)
    folders = [name for name in named if (structure.CORE / name).is_dir()]
    assert [levels[name] for name in folders] == sorted((levels[name] for name in folders), reverse=True)


def test_the_public_rooms_are_those_of_the_test() -> None:
    sentence = re.search(r"Plugins import from `calibench` itself and from the rooms (.*?)\.", TEXT, re.DOTALL)
    assert sentence is not None
    assert set(re.findall(r"`(\w+)`", sentence[1])) == module(ROOT / "tests" / "test_layers.py").PUBLIC
