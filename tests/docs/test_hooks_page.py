"""docs/reference/hooks.md: it is what its script writes, every hook has a section with its exact arguments, and a test."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import pytest
from hooks_page import PAGE, page
from record_page import explained_fields

from calibench.plugins import hookspecs, lifecycle_hookspecs
from calibench.plugins.discovery import HOOKS
from calibench.plugins.events import EVENTS, RunFacts

TEXT = PAGE.read_text(encoding="utf-8")
SPECS = {
    name: member
    for module in (hookspecs, lifecycle_hookspecs)
    for name, member in vars(module).items()
    if hasattr(member, "calibench_spec")
}
TESTS = Path(__file__).parents[1]


def test_the_page_is_up_to_date() -> None:
    assert page() == TEXT, "run python tests/docs/hooks_page.py"


def test_hooks_that_are_called_are_those_that_are_declared() -> None:
    assert SPECS.keys() == HOOKS.keys() | EVENTS.keys()


@pytest.mark.parametrize("hook", SPECS)
def test_a_hook_has_a_section_with_its_exact_arguments(hook: str) -> None:
    (heading,) = re.findall(rf"^### `{hook}\((.*?)\) -> (.*?)`$", TEXT, re.MULTILINE)
    signature = inspect.signature(SPECS[hook])
    stated = [tuple(part.split(": ")) for part in heading[0].split(", ") if part]
    assert stated == [(name, param.annotation) for name, param in signature.parameters.items()]
    assert heading[1] == signature.return_annotation
    expected = [] if hook in HOOKS else [("event", EVENTS[hook].__name__)]
    assert stated == expected


@pytest.mark.parametrize("kind", [*EVENTS.values(), RunFacts], ids=lambda kind: kind.__name__)
def test_every_field_of_an_event_is_explained(kind: type) -> None:
    names = [field.name for field in dataclasses.fields(kind)]
    assert list(explained_fields(kind)) == names
    listed = TEXT.split(f"\n`{kind.__name__}`:\n")[-1] if kind is not RunFacts else TEXT.split("\n## `RunFacts`\n")[-1]
    assert re.findall(r"^- \*\*`(\w+)`\*\*", listed.split("\n##")[0], re.MULTILINE) == names


@pytest.mark.parametrize("hook", SPECS)
def test_a_hook_has_a_test(hook: str) -> None:
    short = hook.removeprefix("calibench_")
    tests = [path.read_text(encoding="utf-8") for path in (TESTS / "plugins").glob("test_*.py")]
    called = rf'"{hook}"' if hook in HOOKS else rf'of\(ear, "{short}"\)|== "{short}"'
    assert any(re.search(called, text) for text in tests), f"no test of tests/plugins uses {hook}"
