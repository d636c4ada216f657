"""The digest of code covers what decides figures, and nothing else: a comment in a table must not make a training stale."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import calibench
from calibench import MethodSpec
from calibench.cache import code
from calibench.cache.code import JUDGING, PRESENTATION, code_of, sources_of
from calibench.config.grammar import bind
from calibench.config.resolve import resolve

CORE = Path(calibench.__file__).parent


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with calibench's rooms, each holding one module."""
    root = tmp_path / "rooms_of_a_test"
    for room in (*PRESENTATION, *JUDGING, "recipe", "training", "seeds.py"):
        file = root / room if room.endswith(".py") else root / room / "module.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x = 1\n")
    (root / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module(root.name)
    yield root
    sys.modules.pop(root.name)


def digests(package):
    """Of a stage's code, and of the code of a run's figures."""
    return sources_of(package.name, PRESENTATION | JUDGING), sources_of(package.name, PRESENTATION)


@pytest.mark.parametrize(
    ("file", "stage_is_stale", "run_is_stale"),
    [
        ("report/module.py", False, False),
        ("cli/module.py", False, False),
        ("leaderboard/module.py", False, False),
        ("metrics/module.py", False, True),
        ("evaluation/module.py", False, True),
        ("recipe/module.py", True, True),
        ("training/module.py", True, True),
        ("seeds.py", True, True),
    ],
)
def test_an_edit_makes_stale_what_it_may_decide(package, file, stage_is_stale, run_is_stale):
    stage, run = digests(package)
    (package / file).write_text("x = 1  # a comment\n")
    assert (digests(package)[0] != stage, digests(package)[1] != run) == (stage_is_stale, run_is_stale)


def test_a_new_room_counts_until_somebody_says_that_it_decides_nothing(package):
    before = digests(package)
    (package / "newroom").mkdir()
    (package / "newroom" / "module.py").write_text("x = 1\n")
    assert all(now != then for now, then in zip(digests(package), before, strict=True))


def test_the_rooms_that_are_left_out_exist():
    assert all((CORE / name).exists() for name in PRESENTATION | JUDGING)


def test_a_stage_and_a_run_have_digests_of_their_own():
    objective = resolve("ce").objective
    assert code_of(objective) != code_of(objective, judged=True)


def test_edited_code_of_a_plugin_has_another_digest(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "edited_objective.py"
    file.write_text("class Edited:\n    a = 1\n")
    bound = bind(MethodSpec(name="edited", kind="objective", target=f"{file.stem}:Edited", summary="A test."), ())
    before = code_of(bound)
    file.write_text("class Edited:\n    a = 2\n")
    assert code_of(bound) == before, "this process has imported the old code"
    code._sources.cache_clear()  # as in another process
    assert code_of(bound) != before
    sys.modules.pop(file.stem)
