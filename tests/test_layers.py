"""The rooms of the core stay in order: an import goes down, none runs in a circle, and boards need no torch."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("structure", HERE / "structure.py")
assert _spec is not None
assert _spec.loader is not None
structure = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(structure)


def test_every_room_has_a_place_in_the_order():
    assert set(structure.rooms()) == set(structure.ORDER)


def test_no_import_goes_up():
    assert structure.upward(structure.rooms()) == []


def test_no_modules_import_one_another_in_a_circle():
    assert structure.circles(structure.imports()) == []


def test_there_are_few_levels_and_few_modules_at_the_root():
    assert max(structure.levels(structure.rooms()).values()) <= 13
    assert len([path for path in structure.modules().values() if path.parent == structure.CORE]) <= 12


def test_every_room_says_what_lives_there():
    for folder in {path.parent for path in structure.modules().values()} - {structure.CORE}:
        text = (folder / "__init__.py").read_text(encoding="utf-8")
        assert text.startswith('"""'), folder


def test_a_circle_and_an_import_that_goes_up_are_found():
    graph = {"data": {"recipe"}, "recipe": {"data"}, "cli": set()}
    assert structure.upward(graph) == ["data -> recipe"]
    assert structure.circles(graph) == ["data -> recipe -> data", "recipe -> data -> recipe"]


def test_the_script_prints_the_rooms():
    ran = subprocess.run([sys.executable, HERE / "structure.py"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert "0 imports that go up or run in a circle" in ran.stdout


@pytest.mark.parametrize("room", structure.NO_TORCH)
def test_a_room_that_lists_ranks_or_shows_imports_no_torch(room, tmp_path):
    probe = (
        "import importlib, pkgutil, sys\n"
        f"import calibench.{room} as room\n"
        "for found in pkgutil.walk_packages(room.__path__, room.__name__ + '.'): importlib.import_module(found.name)\n"
        "print(*sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "torch" not in ended.stdout.split()
