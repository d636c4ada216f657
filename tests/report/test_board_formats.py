"""Boards as LaTeX and HTML: every cell is there, and no name is read as a command or a tag."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "leaderboard"))
from board_records import store_runs, unstored_record

from calibench.leaderboard.across import Across, across
from calibench.leaderboard.board_front import with_front
from calibench.leaderboard.boards import Board, boards
from calibench.leaderboard.elo import elo
from calibench.report.board_columns import board_columns, metrics_of
from calibench.report.board_html import boards_html
from calibench.report.board_latex import board_latex, escaped
from calibench.report.render import render

HOSTILE = r"<script>alert(1)</script>&\input{x}$%#_^~|{}"


@pytest.fixture
def board(tmp_path: Path) -> Board:
    records = store_runs(tmp_path, "ce", [0.0, 0.1]) + store_runs(tmp_path, "ce+temperature", [0.2, 0.3])
    (made,) = boards(records, tmp_path, "nll")
    return made


def hostile_board() -> Board:
    (made,) = boards(
        [unstored_record(HOSTILE, 0, {"nll": 0.4}), unstored_record("ce", 0, {"nll": 0.5})], Path("x"), "nll"
    )
    return made


def summary() -> Across:
    """Two recipes on two data sets, with Elo ratings."""
    records = [
        unstored_record(recipe, 0, {"nll": nll}, dataset=data, data={"clean_fingerprint": data})
        for data in ("a_b", "c&d")
        for recipe, nll in (("ce", 0.4), (HOSTILE, 0.3))
    ]
    made = across(boards(records, Path("x"), "nll", base="ce"), "ce")
    assert made is not None
    return dataclasses.replace(made, elo=elo(made.table))


class Tags(HTMLParser):
    """The tags of a page, and the text of its cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag in ("td", "th"):
            self.inside = True
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.cells[-1] += data


def cells_of(board: Board) -> list[str]:
    columns = board_columns(board, metrics_of(board))
    rows = zip(*(column.cells for column in columns), strict=True)
    return [
        " ".join(text.split()) for text in [*(column.head for column in columns), *(c for row in rows for c in row)]
    ]


def test_html_has_every_cell_in_order(board: Board) -> None:
    page = Tags(boards_html([board]))
    assert [" ".join(cell.split()) for cell in page.cells] == cells_of(board)
    assert page.tags.count("table") == 1


def test_html_shows_hostile_names_as_text_and_asks_nothing_of_the_network() -> None:
    text = boards_html([hostile_board()])
    page = Tags(text)
    assert page.tags.count("script") == boards_html([]).count("<script>") == 1
    assert HOSTILE in page.cells
    assert re.findall(r"(?:src|href)=\"(?!data:|#)", text) == []
    assert "url(" not in text


def test_latex_has_every_cell_in_order(board: Board) -> None:
    lines = [line for line in board_latex(board).splitlines() if line.endswith(r" \\")]
    cells = [cell.removeprefix("{}") for line in lines for cell in line.removesuffix(r" \\").split(" & ")]
    assert cells == [escaped(cell) for cell in cells_of(board)]


def test_latex_leaves_no_special_character() -> None:
    made = escaped(HOSTILE)
    assert made.count(r"\textbackslash{}input") == 1
    rest = re.sub(r"\\textbackslash\{\}|\\text\w+\{\}|\\[&%$#_{}]", "", made)
    assert set(rest).isdisjoint("\\&%$#_{}~^<>|")


@given(st.text(max_size=40))
def test_latex_of_any_name_is_balanced_and_in_letters_that_pdflatex_has(name: str) -> None:
    made = escaped(name)
    commands = r"\\(?:textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar|dag)\{\}"
    rest = re.sub(rf"{commands}|\$\\(?:downarrow|times|bullet)\$|\\[&%$#_{{}}]", "", made)
    assert set(rest).isdisjoint("\\&%$#_{}~^<>|")
    assert all(" " <= sign <= "~" or "À" <= sign <= "ÿ" for sign in rest)


def test_names_in_other_scripts_are_told_apart() -> None:
    assert escaped("中 é") == "[U+4E2D] é"
    assert escaped("文") != escaped("中")


def letters_that_pass() -> str:
    return "".join(chr(code) for code in range(0xC0, 0x100) if not escaped(chr(code)).startswith("["))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(board: Board, tmp_path: Path) -> None:
    shown = with_front(board)
    body = (
        board_latex(shown)
        + board_latex(hostile_board())
        + rf"\par {escaped(letters_that_pass())} {escaped('[文 †↓✗◆')}"
    )
    body += render([shown, shown], "latex", ["seconds", "change"], [summary()])
    document = rf"\documentclass{{article}}\usepackage{{booktabs,graphicx}}\begin{{document}}{body}\end{{document}}"
    (tmp_path / "t.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "t.tex"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-2000:]
