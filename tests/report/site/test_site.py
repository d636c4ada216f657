"""A site: its files, its links, its figures, what it refuses, and that it needs neither torch nor the network."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from site_entries import HOSTILE, ROOT, write_entries

from calibench.config.suite import load_suite
from calibench.errors import InputError
from calibench.leaderboard.boards import boards
from calibench.records.store import read_records
from calibench.report.board_json import boards_document
from calibench.report.format import guarded
from calibench.runs.site import _resample, write_site

pytestmark = pytest.mark.slow

VOID = {"meta", "link", "br", "input", "wbr"}


class Page(HTMLParser):
    """The ids, links and tables of a page; AssertionError if its tags are not balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.scripts = 0
        self.text: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        assert len(values) == len(attrs), f"<{tag}> has an attribute twice"
        self.ids += [values["id"] or ""] if "id" in values else []
        self.links += [values[name] or "" for name in ("href", "src") if name in values]
        self.scripts += tag == "script"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.text.append(data)


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}


def test_there_is_a_page_for_the_index_each_board_data_set_and_recipe(site, pages):
    names = sorted(str(path.relative_to(site)) for path in pages)
    assert names[:2] == ["index.html", "some-board/data/digits-mlp-a22583.html"]
    assert {"some-board/index.html", "some-board/recipes/ce_temperature.html"} <= set(names)
    assert len(names) == 2 + 2 + 4
    manifest = json.loads((site / "site.json").read_text(encoding="utf-8"))
    assert manifest["files"] == sorted([*names, "some-board/board.csv", "some-board/board.json"])


def test_every_link_leads_to_a_file_of_the_site_and_every_anchor_is_there(site, pages):
    for path, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), path
        for link in page.links:
            if link == "data:,":
                continue
            file, _, anchor = link.partition("#")
            target = path if not file else (path.parent / unquote(file)).resolve()
            assert target.is_relative_to(site)
            assert target.is_file(), (path, link)
            assert not anchor or anchor in pages[target].ids, (path, link)


def test_a_name_with_markup_is_text_and_the_only_script_is_ours(pages):
    shown = HOSTILE.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")
    assert all(page.scripts == 1 for page in pages.values())
    assert sum(shown in "".join(page.text) for page in pages.values()) >= 4
    assert not any({"\x1b", "\u202e"} & set("".join(page.text)) for page in pages.values())


def test_the_policy_allows_our_script_alone(site):
    text = (site / "index.html").read_text(encoding="utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert "default-src &#39;none&#39;" in policy
    assert "unsafe" not in policy
    assert "eval" not in text
    assert len((ROOT / "benchmark/calibench/report/site/templates/site.js").read_text().splitlines()) < 300


def test_figures_are_those_of_the_leaderboard(site, results):
    made = boards(read_records(results), results, "brier", resample=_resample)
    document = json.loads((site / "some-board" / "board.json").read_text(encoding="utf-8"))
    assert document["boards"] == json.loads(json.dumps(boards_document(made)["boards"]))
    assert document["across"]["base"] == "ce"
    lines = list(csv.DictReader(io.StringIO((site / "some-board" / "board.csv").read_text(encoding="utf-8"))))
    stored = {(board.dataset, guarded(row.recipe)): row.cells["brier"].mean for board in made for row in board.rows}
    assert {(x["dataset"], x["method"]): float(x["mean"]) for x in lines if x["metric"] == "brier"} == stored
    page = (site / "some-board" / "index.html").read_text(encoding="utf-8")
    assert all(f'data-v="{value}"' in page for value in stored.values())


def test_the_board_states_its_protocol(site, results):
    page = "".join(Page((site / "some-board" / "index.html").read_text(encoding="utf-8")).text)
    digits = "".join(Page((site / "some-board/data/digits-mlp-a22583.html").read_text(encoding="utf-8")).text)
    assert "2026-11-30" in page
    assert "true ranks of all rows" in page
    assert f"calibench verify {results}" in page
    assert "be991736740763502647ce8df322b07f2fd1e3f901c5c085d590847eab5c4e73" in digits
    assert "CC BY 4.0" in digits


def test_a_site_is_the_same_each_time_and_leaves_no_page_of_the_one_before(site, results, tmp_path):
    out = tmp_path / "out"
    write_site(out, results)
    files = sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
    assert all((out / name).read_bytes() == (site / name).read_bytes() for name in files)
    fewer = tmp_path / "some-board"
    shutil.copytree(results, fewer)
    for path in fewer.glob("records/*temperature*"):
        path.unlink()
    (out / "notes.txt").write_text("mine")
    write_site(out, fewer)
    gone = {"ce_temperature.html"}
    left = {path.name for path in (out / "some-board" / "recipes").iterdir()}
    assert left == {path.name for path in (site / "some-board" / "recipes").iterdir()} - gone
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("file", ["notes.txt", "site.json"])
def test_a_folder_that_is_no_site_is_refused_and_stays_as_it_is(file, results, tmp_path):
    (tmp_path / file).write_text('{"schema": "other", "files": ["notes.txt"]}')
    with pytest.raises(InputError, match="no site of calibench"):
        write_site(tmp_path, results)
    assert [path.name for path in tmp_path.iterdir()] == [file]


def test_a_manifest_cannot_remove_files_outside(results, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "precious").write_text("x")
    (out / "site.json").write_text(json.dumps({"schema": "calibench.site/1", "files": ["../precious", 3]}))
    write_site(out, results)
    assert (tmp_path / "precious").exists()


def test_two_folders_of_one_name_are_refused(results, tmp_path):
    shutil.copytree(results, tmp_path / "some-board")
    with pytest.raises(InputError, match="a board called 'some-board'"):
        write_site(tmp_path / "out", [results, tmp_path / "some-board"])


def test_without_predictions_the_page_says_so(results, tmp_path):
    folder = tmp_path / "bare"
    shutil.copytree(results / "records", folder / "records")
    write_site(tmp_path / "out", folder)
    page = (tmp_path / "out/bare/recipes/ce.html").read_text(encoding="utf-8")
    assert "There are no pictures: there is no file" in page
    assert "Reliability diagram" not in page
    board = (tmp_path / "out/bare/index.html").read_text(encoding="utf-8")
    assert "no ranks and no intervals of changes" in board


def test_suite_entries_state_the_suite(tmp_path):
    write_site(tmp_path / "out", write_entries(tmp_path / "results", of_suite=True))
    page = (tmp_path / "out/quick-v1/index.html").read_text(encoding="utf-8")
    assert load_suite("quick-v1").sha256 in page
    assert "calibench sweep quick-v1" in page
    assert "[[data]]" in page


def test_with_a_suite_other_folders_are_passed_over(results, tmp_path):
    write_entries(tmp_path / "quick", of_suite=True)
    write_site(tmp_path / "out", [results, tmp_path / "quick"], "quick-v1")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["index.html", "quick-v1", "site.json"]
    with pytest.raises(InputError, match="no run of this version of suite imbalance-v1"):
        write_site(tmp_path / "other", [results, results.parent / "some-board"], "imbalance-v1")


def test_a_site_imports_neither_torch_nor_matplotlib(results, tmp_path):
    probe = (
        "import sys; from calibench.runs.site import write_site; "
        f"write_site({str(tmp_path / 'out')!r}, {str(results)!r}); "
        "print(sorted({'torch', 'matplotlib', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "[]"
