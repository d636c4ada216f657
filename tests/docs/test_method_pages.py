"""docs/reference/methods.md and the pages in methods/ are what their script writes, and each method says what a user asks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_text import equation_block, marked_up, paragraph
from method_intros import FIGURES
from method_pages import REFERENCE, methods_of, pages

from calibench.plugins.specs import STAGE_ORDER, MethodSpec, StageKind
from calibench_methods.plugin import calibench_methods

SPECS = calibench_methods()
FOLDER = REFERENCE / "methods" / "figures"
TEXTS = pages()


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.name)
def test_pages_are_up_to_date(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == TEXTS[file], "run python tests/docs/method_pages.py"


def test_every_page_in_the_folder_is_written() -> None:
    assert set((REFERENCE / "methods").glob("*.md")) < set(TEXTS)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_method_says_when_to_use_it_and_what_it_costs(spec: MethodSpec) -> None:
    for text in (spec.use_when, spec.avoid_when, spec.cost, spec.equation, spec.paper):
        assert text.strip() == text != ""
    assert len({spec.use_when, spec.avoid_when, spec.cost, spec.summary}) == 4
    assert max(map(len, (spec.use_when, spec.avoid_when, spec.cost))) <= 160, "one line: a reader compares many methods"


def test_every_method_has_one_section_and_a_row_in_both_tables() -> None:
    index = TEXTS[REFERENCE / "methods.md"]
    for kind in STAGE_ORDER:
        for spec in methods_of(kind):
            (text,) = [text for text in TEXTS.values() if f"\n## `{spec.name}`\n" in text]
            assert f"| [`{spec.name}`](#{spec.name}) |" in text
            assert f".md#{spec.name}) |" in index
            for param in spec.params:
                assert f"| `{param.key}` |" in text.split(f"\n## `{spec.name}`\n")[1].split("\n## ")[0]
    assert sum(len(methods_of(kind)) for kind in STAGE_ORDER) == len(SPECS)


@pytest.mark.parametrize("kind", STAGE_ORDER)
def test_every_method_stands_in_the_figures_of_its_kind(kind: StageKind) -> None:
    titles: dict[str, set[str]] = {}
    for name, _, _ in FIGURES[kind]:
        text = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
        both = name.removesuffix("-noise")  # objectives that are made for wrong labels have figures of their own
        titles.setdefault(both, set()).update(re.findall(r">([a-z0-9-]+)</text>", text))
    for name, found in titles.items():
        missing = {spec.name for spec in methods_of(kind)} - found
        assert not missing, f"run python tests/docs/method_figures.py {name}"


def test_figures_are_small_and_each_stands_on_a_page() -> None:
    used = {f"{name}.svg" for figures in FIGURES.values() for name, _, _ in figures}
    assert {file.name for file in FOLDER.iterdir()} == used
    for name in used:
        assert (FOLDER / name).stat().st_size < 30_000, name


def test_text_of_specs_becomes_markdown() -> None:
    assert marked_up("as in 1 - <p, t> * 2") == "as in 1 - \\<p, t> \\* 2"
    assert marked_up("use forward:estimate=counts or `a*b`") == "use `forward:estimate=counts` or `a*b`"
    assert marked_up("(arXiv 1706.04599)") == "([arXiv:1706.04599](https://arxiv.org/abs/1706.04599))"
    assert marked_up("docs/evidence/noise.md") == "[evidence/noise.md](../../evidence/noise.md)"
    assert marked_up("e = 0.1 and n >= 2") == "e = 0.1 and n >= 2"


def test_a_wrapped_line_begins_no_list() -> None:
    text = paragraph("x" * 99 + " + u and " + "y" * 99 + " 2. z")
    assert [line[:3] for line in text.splitlines()][1:] == ["\\+ ", "yyy", "2\\."]


def test_equations_break_at_semicolons_outside_brackets() -> None:
    assert equation_block("a = f(x; y); b = 2").splitlines() == ["```text", "a = f(x; y)", "b = 2", "```"]
