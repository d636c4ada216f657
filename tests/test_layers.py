"""The rooms of the core stay in order, plugins import only public rooms, and the core imports no plugin."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent
_spec = importlib.util.spec_from_file_location("structure", HERE / "structure.py")
assert _spec is not None
assert _spec.loader is not None
structure = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(structure)

PUBLIC = {"atomic", "data", "errors", "files", "kernels", "lazy", "metrics", "models", "outputs", "stages", "training"}
"""Rooms that plugins may import from, beside the names that `calibench` exports."""

OUR_PLUGINS = ("calibench_methods", "calibench_datasets", "calibench_trackers")


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
        "for module in pkgutil.walk_packages(room.__path__, room.__name__ + '.'): importlib.import_module(module.name)\n"
        "print(*sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "torch" not in ended.stdout.split()


# --- the core and its plugins ---------------------------------------------------------------------------------------


def imported_modules(file: Path) -> set[str]:
    """Every module that a file imports, wherever in it; `from a import b` counts as a and a.b."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            modules |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return modules


def test_the_core_knows_no_plugin_by_name():
    for file in structure.CORE.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        for name in OUR_PLUGINS:
            assert not [module for module in imported_modules(file) if module.split(".")[0] == name], file
            assert f"{name}." not in text, f"{file}: not even in a string that importlib may get"
            assert f"{name}:" not in text, file


def test_plugins_import_only_public_rooms():
    assert set(structure.ORDER) > PUBLIC
    private = {f"calibench.{room}" for room in set(structure.ORDER) - PUBLIC}
    files = [file for file in (ROOT / "plugins").rglob("*.py") if "tests" not in file.parts]
    assert len(files) > 50
    for file in files:
        assert not [m for m in imported_modules(file) if ".".join(m.split(".")[:2]) in private], file
