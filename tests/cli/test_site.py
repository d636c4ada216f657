"""`calibench site` and `calibench report`: what they print and write, and what is refused; the commands of docs/guides/site.md."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

import calibench

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guides" / "site.md"
COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    """The results folder `leaderboards/quick-v1` with the runs of two recipes on iris."""
    folder = tmp_path_factory.mktemp("site") / "leaderboards" / "quick-v1"
    for part, ending in (("records", "json"), ("predictions", "safetensors")):
        (folder / part).mkdir(parents=True)
        for pattern in ("iris-mlp-ce-s[01]", "iris-mlp-ce+temperature-s[01]", "digits-mlp-ce-s0"):
            for path in (ROOT / "leaderboards" / "quick-v1" / part).glob(f"{pattern}-*.{ending}"):
                shutil.copy(path, folder / part)
    return folder


@pytest.fixture
def here(entries, tmp_path):
    """The folder where commands run, with the entries under the names that the guide uses."""
    shutil.copytree(entries, tmp_path / "leaderboards" / "quick-v1")
    shutil.copytree(entries, tmp_path / "results")
    (record,) = (entries / "records").glob("digits-mlp-ce-s0-*.json")
    shutil.copy(record, tmp_path / "record.json")
    return tmp_path


def test_the_guide_has_commands():
    assert len(COMMANDS) == 5


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_guide_runs(cli, here, command):
    ended = cli(*shlex.split(command)[1:])
    assert ended.code == 0, ended.err
    assert (here / "site" / "index.html").is_file() or list(here.glob("*.html"))


@pytest.mark.slow
def test_the_last_line_says_where_the_site_is(cli, here):
    assert re.fullmatch(r"site: \d+ files, \d\.\d MB; open site/index.html\n", cli("site", "site").out)
    assert cli("site", "site", "-q").out == ""


def test_a_page_of_a_run_has_its_figures_and_its_pictures(cli, here):
    assert cli("report", "iris-mlp-ce-s0", "-o", "out/iris.html").err == "wrote out/iris.html\n"
    page = (here / "out" / "iris.html").read_text(encoding="utf-8")
    (path,) = (here / "results" / "records").glob("iris-mlp-ce-s0-*.json")
    record = calibench.write_report(path, here / "again.html")
    assert record.read_text(encoding="utf-8") == page
    assert page.count("<figure>") == 2
    assert "calibench run -m ce -d iris --model mlp -s 0 --device cpu" in page
    assert path.stem in page


def test_a_record_without_its_predictions_has_a_page_without_pictures(cli, here):
    (path,) = (here / "results" / "records").glob("iris-mlp-ce-s0-*.json")
    shutil.copy(path, here / "record.json")
    assert cli("report", "record.json", "-o", "a.html").code == 0
    page = (here / "a.html").read_text(encoding="utf-8")
    assert "There are no pictures: there is no file" in page
    assert "<figure>" not in page


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("site", "out", "--results", "nothing"), "there are no records under 'nothing'"),
        (("site", "out", "--suite", "quick-v2"), "did you mean 'quick-v1'"),
        (("site", "out", "--metric", "brierr"), "did you mean 'brier'"),
        (("site", "out", "--metric", "mce15"), "never ranked by"),
        (("site", "out", "--base", "vtst"), "no record has the recipe 'vtst'"),
        (("site", "results"), "holds files that are no site of calibench"),
        (("site", "file"), "is a file"),
        (("report", "iris-mlp-ce-s", "-o", "a.html"), "2 runs in 'results' begin with"),
        (("report", "nothing", "-o", "a.html"), "there is no run 'nothing'"),
        (("report", "nothing.json", "-o", "a.html"), "cannot read nothing.json"),
        (("report", "file", "-o", "a.html"), "not JSON"),
        (("report", "other.json", "-o", "a.html"), "its schema is 'other'"),
        (("report", "iris-mlp-ce-s0", "-o", "a.txt"), "end it in .html"),
        (("report", "iris-mlp-ce-s0", "-o", "file/a.html"), "cannot write in 'file'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_refusals_write_nothing(cli, here, words, says):
    (here / "file").write_text("x")
    (here / "other.json").write_text('{"schema": "other"}')
    before = sorted(here.rglob("*"))
    ended = cli(*words)
    assert ended.code == 2, ended.err
    assert says in ended.err
    assert sorted(here.rglob("*")) == before


def test_without_jinja_a_sentence_says_what_to_install(cli, here, monkeypatch):
    from calibench.report.site import page

    page._environment.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    ended = cli("report", "iris-mlp-ce-s0", "-o", "a.html")
    assert ended.code == 2
    assert 'pip install "jinja2>=3.1"' in ended.err
    assert not list(here.glob("*.html"))
