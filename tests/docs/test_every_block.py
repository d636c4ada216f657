"""Every block of code in README and docs: commands are those that calibench takes, runs name what there is, data is well-formed."""

from __future__ import annotations

import ast
import re
import textwrap
import tomllib
from pathlib import Path

import click
import pytest
from code_blocks import ROOT, Block, blocks, commands

from calibench.cli import cli
from calibench.config import expand

SHELL = blocks("sh", "bash")
COMMANDS = [
    pytest.param(words, id=f"{block.page}: {' '.join(words)[:60]}")
    for block in SHELL
    for words in commands(block.text)
    if "ce+halve" not in words  # tests/plugins/test_hookspecs.py installs that plugin and runs it
    and not any("my-" in word and block.page.endswith("first-plugin.md") for word in words)  # test_first_plugin.py does
    and words
    and not words[0].startswith("-")  # of the command line itself: tests/docs/test_command_line_page.py
]


RUN_BY = {
    "README.md": ("tests/docs/test_guides_run.py", "tests/models/test_in_memory.py", "tests/cli/test_imports.py"),
    "docs/evaluate.md": ("tests/docs/test_evaluate_page.py",),
    "docs/network.md": ("tests/docs/test_pages_in_order.py",),
    "docs/explanation/ece.md": ("tests/docs/test_printed_pages.py",),
    "docs/explanation/numbers.md": ("tests/docs/test_printed_pages.py",),
    "docs/guides/boards.md": ("tests/docs/test_boards_page.py", "tests/docs/test_guides_run.py"),
    "docs/guides/cluster.md": ("tests/docs/test_cluster_page.py", "tests/plugins/test_hookspecs.py"),
    "docs/guides/command-line.md": ("tests/docs/test_command_line_page.py",),
    "docs/guides/install.md": ("tests/packaging/test_release_files.py",),
    "docs/guides/first-plugin.md": ("tests/plugins/test_first_plugin.py",),
    "docs/guides/trackers.md": ("tests/docs/test_trackers_page.py", "tests/plugins/test_hookspecs.py"),
    "docs/reference/hooks.md": ("tests/docs/test_hooks_page.py",),
    "docs/reference/stability.md": ("tests/docs/test_plugin_pages.py",),
    "docs/guides/compare.md": ("tests/docs/test_compare_page.py",),
    "docs/guides/evaluate.md": ("tests/docs/test_guides_run.py",),
    "docs/guides/gate.md": ("tests/docs/test_gate_page.py",),
    "docs/guides/groups.md": ("tests/docs/test_commands.py", "tests/docs/test_guides_run.py"),
    "docs/guides/maps.md": ("tests/docs/test_maps_page.py",),
    "docs/guides/plugins.md": ("tests/plugins/test_hookspecs.py",),
    "docs/guides/production.md": ("tests/docs/test_pages_in_order.py",),
    "docs/guides/python.md": ("tests/docs/test_pages_in_order.py",),
    "docs/guides/shift.md": ("tests/plugins/test_hookspecs.py", "tests/docs/test_guides_run.py"),
    "docs/guides/site.md": ("tests/docs/test_guides_run.py",),
    "docs/guides/suites.md": ("tests/plugins/test_hookspecs.py", "tests/docs/test_guides_run.py"),
    "docs/guides/thresholds.md": ("tests/docs/test_commands.py", "tests/docs/test_guides_run.py"),
    "docs/guides/training.md": ("tests/docs/test_curves_section.py",),
    "docs/guides/tuning.md": ("tests/docs/test_tuning_page.py",),
    "docs/reference/kernels.md": ("tests/kernels/test_docs.py",),
    "docs/reference/weights.md": ("tests/docs/test_guides_run.py",),
    **dict.fromkeys(
        [f"docs/guides/{name}.md" for name in
         ("datasets", "decisions", "imbalance", "label-noise", "presets", "run", "several-labels", "winrates")],
        ("tests/docs/test_guides_run.py",),
    ),
}  # fmt: skip
"""The tests that run a page's blocks."""

LOOKED_UP = {
    "docs/guides/benchmarks.md": "times kernels and judgements for minutes; tests/bench runs the same on small shapes",
    **dict.fromkeys(
        [f"docs/guides/{name}.md" for name in ("run", "datasets", "training", "shift")],
        "trains for minutes, or needs published files: its recipes and data sets are looked up here",
    ),
    **dict.fromkeys(
        [f"docs/evidence/{name}.md" for name in
         ("calibrators", "costs", "imbalance", "noise", "ood-scores", "recipes", "tabular", "training-objectives")],
        "repeats a measurement of minutes to hours: its recipes and data sets are looked up here",
    ),
}  # fmt: skip
"""Pages of which no test runs (all) commands, and the reason."""


class Configured(Exception):  # noqa: N818 - no error
    """Raised when a run is configured, in place of the run."""


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """`calibench run` ends when its names and parameters have been looked up."""
    configure = expand.configure_grid

    def stopped(*arguments, **options):
        assert configure(*arguments, **options)
        raise Configured

    monkeypatch.setattr(expand, "configure_grid", stopped)


def test_the_pages_have_commands() -> None:
    assert len(COMMANDS) > 200


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.usefixtures("configured")
def test_a_command_is_one_that_calibench_takes(words: list[str], tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (preset,) = [block.text for block in blocks("toml") if block.page == "docs/guides/presets.md"]
    Path("mine.toml").write_text(preset, encoding="utf-8")
    words = [re.sub(r"s3://bucket/", f"{tmp_path}/", word) for word in words]
    command = cli.get_command(click.Context(cli), words[0])
    assert command is not None, words
    context = command.make_context(words[0], words[1:])
    if words[0] == "run":
        with pytest.raises(Configured):
            command.invoke(context)


def test_every_page_with_code_is_run_or_has_a_reason() -> None:
    pages = {block.page for block in blocks("sh", "bash", "python", "py")}
    assert pages == RUN_BY.keys() | LOOKED_UP.keys()
    for page, tests in RUN_BY.items():
        for test in tests:
            text = (ROOT / test).read_text(encoding="utf-8")
            assert Path(page).name in text, f"{test} does not name {page}"


@pytest.mark.parametrize("block", blocks("python", "py", "toml", "json"), ids=lambda block: block.page)
def test_a_block_is_well_formed(block: Block) -> None:
    if block.language == "toml":
        tomllib.loads(block.text)
    else:
        ast.parse(whole(block.text))


def whole(text: str) -> str:
    """The code; indented lines, which a page puts into a function or a call, without their indentation or in a call."""
    dedented = textwrap.dedent(text)
    arguments = dedented != text and re.match(r"\w+=", dedented) is not None
    return f"dict(\n{dedented}\n)" if arguments else dedented
