"""The man pages: one for every command, with its options and its examples, and man can show them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from man_pages import commands, page, roff, write

from calibench.cli import cli


def test_every_command_has_a_page_with_its_options_and_examples(tmp_path: Path) -> None:
    files = {file.stem for file in write(tmp_path)}
    assert len(files) == len(list(tmp_path.glob("*.1"))) >= 27
    for path, command in commands(cli):
        assert "-".join(path) in files
        text = page(path, command)
        for option in command.params:
            if option.param_type_name == "option" and not getattr(option, "hidden", False):
                assert roff(option.opts[-1]) in text
        assert ".SH EXAMPLES\n" in text
        assert "\b" not in text


def test_lines_that_roff_would_read_as_its_own_are_escaped() -> None:
    assert roff(".so /etc/passwd\n'x\\-a") == "\\&.so /etc/passwd\n\\&'x\\e\\-a"


@pytest.mark.slow
def test_man_shows_a_page(tmp_path: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    write(tmp_path)
    ran = subprocess.run(
        ["man", "--warnings=w", "-l", str(tmp_path / "calibench-sweep.1")],
        capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", "MANWIDTH": "80", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "\n       calibench sweep quick-v1 --jobs 2\n" in ran.stdout
