"""Every block of code in README and docs: commands are those that calibench takes, runs name what there is, data is well-formed."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import click
import pytest
from code_blocks import Block, blocks, commands

from calibench.cli import cli
from calibench.config import expand

SHELL = blocks("sh", "bash")
COMMANDS = [pytest.param(words, id=f"{b.page}: {' '.join(words)[:60]}") for b in SHELL for words in commands(b.text)]


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
    if "ce+halve" in words:
        pytest.skip("tests/plugins/test_hookspecs.py installs the plugin and runs it")
    command = cli.get_command(click.Context(cli), words[0])
    assert command is not None, words
    context = command.make_context(words[0], words[1:])
    if words[0] == "run":
        with pytest.raises(Configured):
            command.invoke(context)


@pytest.mark.parametrize("block", blocks("python", "py", "toml", "json"), ids=lambda block: block.page)
def test_a_block_is_well_formed(block: Block) -> None:
    if block.language == "toml":
        tomllib.loads(block.text)
    else:
        ast.parse(block.text)
