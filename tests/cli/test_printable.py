"""Names in a file that hold characters which steer a terminal are printed as escapes."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from calibench.cli.output import print_line
from calibench.report.format import printable


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\x9bb\x7f", r"a\x9bb\x7f"),
        ("\ud800", r"\ud800"),
        ("käse 日本 😀\n\tx", "käse 日本 😀\n\tx"),
    ],
)
def test_characters_that_steer_a_terminal_are_escaped(text, printed):
    assert printable(text) == printed


def test_lines_and_errors_are_printable(capsys, refused, cli, tmp_path):
    console = Console(file=io.StringIO(), force_terminal=True)
    print_line(console, "class \x1b[2Jx")
    assert "\x1b[2J" not in console.file.getvalue()
    (tmp_path / "a.csv").write_text("\x1b[31mred,b,label\n.5,.5,x\n.5,.5,b\n")
    refused("evaluate", "a.csv", says="label is 'x'", hint=r"one of \x1b[31mred, b")
    (tmp_path / "b.json").write_text('{"probs":[[0.5,0.5],[0.5,0.5]],"labels":["\\ud800","b"]}')
    assert r"\ud800" in cli("evaluate", "b.json", "--resamples", "0").out
