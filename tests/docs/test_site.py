"""The source of the documentation site: navigation, pages made from the code, and links. `make docs` builds the site itself."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click
import pytest
from code_blocks import ROOT
from readme_pictures import PICTURES, draw_board

sys.path.insert(0, str(ROOT / "docs" / "site"))
from build import made_pages
from command_pages import commands, help_text
from navigation import INDEX, pages, sections
from source import MadePage, outside_code, places, title, with_site_links, write_source

from calibench.cli import cli
from calibench.cli.list import FAMILIES
from calibench.plugins.discovery import HOOKS, registry


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """The text of every page from the code by its place."""
    return {page.place: page.text for top in made_pages() for page in top.all()}


def test_the_navigation_names_every_page() -> None:
    assert {page for page in ROOT.glob("docs/**/*.md") if page != INDEX} <= pages()
    assert {section.title for section in sections()} >= {"Tutorials", "Guides", "Reference", "Explanation", "Evidence"}
    for page in pages():
        assert title(page)


def test_a_list_of_links_is_a_section_with_groups() -> None:
    text = "# x\n\n## A\n- [a.md](a.md): one\n  [b](b.md), two\n\ntext\n\n### B\n- [c.md](c.md): c\n\n## C\n- **no** [d](d.md)\n"
    (section,) = sections(text)
    assert section.title == "A"
    assert [(entry.page.name, [page.name for page in entry.below]) for entry in section.entries] == [("a.md", ["b.md"])]
    assert [(group.title, [entry.page.name for entry in group.entries]) for group in section.groups] == [
        ("B", ["c.md"])
    ]


def test_every_command_and_option_has_its_place(made: dict[str, str]) -> None:
    for name, command in commands().items():
        text = made[f"reference/commands/{name.replace(' ', '-')}.md"]
        assert f"]({'commands/' + name.replace(' ', '-')}.md)" in made["reference/commands.md"]
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert max(option.opts, key=len) in text, (name, option.opts)
    assert set(cli.list_commands(click.Context(cli))) <= set(commands())


@pytest.mark.parametrize("family", FAMILIES.values())
def test_every_registered_name_has_its_place(family: str, made: dict[str, str]) -> None:
    committed = {"method": ROOT.glob("docs/reference/methods/*.md"), "metric": [ROOT / "docs/reference/metrics.md"]}
    if family in committed:
        text = "\n".join(page.read_text(encoding="utf-8") for page in committed[family])
    else:
        text = made[f"reference/names/{family}.md"]
    entries = [e for e in registry().all(family) if e.plugin.distribution in ("calibench", "")]
    assert entries
    for entry in entries:
        assert re.search(rf"(^## |\*\*)`{re.escape(entry.spec.name)}`", text, re.MULTILINE), entry.spec.name
        for param in entry.spec.params:
            assert f"`{param.key}`" in text


def test_every_hook_and_extra_has_its_place(made: dict[str, str]) -> None:
    for hook, spec in HOOKS.items():
        assert f"## `{hook}() -> Iterable[{spec.__name__}]`" in made["reference/plugin-hooks.md"]
    extras = re.findall(r"^\| `([\w-]+)` \| .* \| (.+) \|$", made["reference/extras.md"], re.MULTILINE)
    assert {"plot", "vision", "docs", "test"} <= {name for name, _ in extras}
    assert all(purpose.strip() for _, purpose in extras), "a comment in pyproject.toml says what an extra is for"


def test_every_environment_variable_is_explained() -> None:
    page = (ROOT / "docs" / "reference" / "environment.md").read_text(encoding="utf-8")
    sources = [ROOT / "setup.py", *ROOT.glob("benchmark/**/*.py"), *ROOT.glob("plugins/**/*.py")]
    sources += [*ROOT.glob("csrc/**/*.cpp")]
    read = {
        name
        for file in sources
        for name in re.findall(r'(?:environ(?:\.get)?[\[(]|getenv\(|= )"(CALIBENCH_[A-Z_]+)"', file.read_text("utf-8"))
    }
    read.remove("CALIBENCH_API")  # an attribute of a plugin's module
    assert set(re.findall(r"^\| `(CALIBENCH_[A-Z_]+)` \|", page, re.MULTILINE)) == read


def test_links_lead_to_the_places_of_the_site() -> None:
    page = ROOT / "docs" / "architecture.md"
    text = with_site_links(page, "architecture.md", places())
    assert "[CONTRIBUTING.md](../CONTRIBUTING.md)" in page.read_text(encoding="utf-8")
    assert "[Contributing](project/contributing.md)" in text
    assert "[its README](project/kernel-source.md)" in text
    assert "[the index](index.md)" in text
    assert "](reference/plugins.md#a-method-of-calibench-itself)" in text


def test_a_link_to_a_file_that_is_no_page_becomes_code() -> None:
    page = ROOT / "docs" / "guides" / "maps.md"
    assert "](../../benchmark/calibench/stages/formula.py)" in page.read_text(encoding="utf-8")
    assert "(`benchmark/calibench/stages/formula.py`)" in with_site_links(page, "guides/maps.md", places())


def test_a_dead_link_ends_the_build(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("see [x](nothing.md)", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"x\.md: a link leads to nothing\.md"):
        with_site_links(tmp_path / "x.md", "x.md", {})


def test_code_stays_as_it_is() -> None:
    text = "a\n```sh\na\n```\na\n"
    assert outside_code(text, lambda prose: prose.replace("a", "b")) == "b\n```sh\na\n```\nb\n"


def test_help_text_keeps_blocks() -> None:
    assert list(help_text("One\ntwo <x>.\n\n\b\na  b\nc\n")) == ["One two \\<x>.", "```text\na  b\nc\n```"]


def test_a_page_of_the_code_hides_none_of_docs(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"record\.md from the code would hide one"):
        write_source(tmp_path / "source", [MadePage("record.md", "# x\n")])


def test_the_source_is_whole(tmp_path: Path) -> None:
    write_source(tmp_path / "source", [MadePage("reference/x.md", "# x\n")])
    index = (tmp_path / "source" / "index.md").read_text(encoding="utf-8")
    assert "/reference/x\n" in index
    assert "/guides/judge-stored-outputs\n" in index
    for place in set(places().values()) - {"index.md"}:
        text = (tmp_path / "source" / place).read_text(encoding="utf-8")
        assert text.startswith("# ")


@pytest.mark.slow
def test_the_picture_of_the_board_is_that_of_the_committed_records(tmp_path: Path) -> None:
    draw_board(tmp_path / "board.svg")
    drawn, committed = (re.findall(r"<text[^>]*>([^<]*)</text>", file.read_text(encoding="utf-8"))
                        for file in (tmp_path / "board.svg", PICTURES / "board.svg"))  # fmt: skip
    assert drawn == committed, "run make pictures"
    assert (PICTURES / "reliability.svg").stat().st_size < 100_000
