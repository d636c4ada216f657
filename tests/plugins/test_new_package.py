"""`calibench plugin new`: a package of each kind passes its own tests at once; bad names are refused."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from calibench.cli.plugin_new import KINDS
from calibench.errors import InputError, RunError
from calibench.plugins import new_package
from calibench.plugins.new_package import write_package

DIST_INFO = "Metadata-Version: 2.1\nName: {0}\nVersion: 0.1.0\n"


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_of_a_package(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = write_package("calibench-mine", kind)
    root = tmp_path / "calibench-mine"
    assert {root / file.relative_to("calibench-mine") for file in files} == {p for p in root.rglob("*") if p.is_file()}
    project = tomllib.loads((root / "pyproject.toml").read_text())
    assert project["project"]["name"] == "calibench-mine"
    assert project["project"]["entry-points"]["calibench"] == {"calibench-mine": "calibench_mine.plugin"}
    assert (root / "src" / "calibench_mine" / "py.typed").read_text() == ""
    assert 'name="mine"' in (root / "src" / "calibench_mine" / "plugin.py").read_text()
    assert "calibench plugin check" in (root / ".github" / "workflows" / "test.yml").read_text()
    assert "{{" not in "".join(p.read_text() for p in root.rglob("*") if p.is_file() and p.suffix != ".yml")
    assert [path.name for path in tmp_path.iterdir()] == ["calibench-mine"]


@pytest.mark.slow
def test_the_packages_pass_their_own_tests(tmp_path):
    """As after `pip install -e`: their sources are on the path, with the metadata that an installation writes."""
    names = {kind: f"my-{kind}" for kind in KINDS}
    for kind, name in names.items():
        write_package(name, kind, tmp_path / name)
        info = tmp_path / name / "src" / f"{name.replace('-', '_')}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(DIST_INFO.format(name))
        (info / "entry_points.txt").write_text(f"[calibench]\n{name} = {name.replace('-', '_')}.plugin\n")
    paths = [str(tmp_path / name / "src") for name in names.values()]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([*paths, *sys.path])}
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-rf", *names.values()]
    ran = subprocess.run([sys.executable, *words], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-4000:]
    assert "18 passed" in ran.stdout


@pytest.mark.parametrize(
    ("name", "kind", "says", "hint"),
    [
        ("My Method", "method", "is no name", "as in my-method"),
        ("../../etc", "method", "is no name", "as in etc"),
        ("a--b", "method", "is no name", "as in a-b"),
        ("-", "method", "is no name", "as in my-method"),
        ("a" * 101, "method", "a name of 101 characters is too long", "at most 100 characters"),
        ("temperature", "method", "there is a method called 'temperature' already, of calibench", "my-temperature"),
        ("calibench-digits", "dataset", "there is a dataset called 'digits' already", "my-digits"),
        ("class", "metric", "'class' is the name of a module or a word of Python", "my-class"),
        ("json", "metric", "'json' is the name of a module", "my-json"),
        ("numpy", "metric", "'numpy' is the name of a module", "my-numpy"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name, kind, says, hint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=says) as error:
        write_package(name, kind)
    assert hint in error.value.hint
    assert not list(tmp_path.iterdir())


def test_a_name_may_have_a_hundred_characters_and_a_folder_as_many_as_the_system_allows(tmp_path, refused):
    long = "a" * 100
    for kind in ("method", "reader"):  # tests/example.NAME is a file of a reader
        assert all(file.is_file() for file in write_package(long, kind, tmp_path / kind))
    refused("plugin", "new", "a" * 300, says="a name of 300 characters is too long", hint="at most 100")
    refused("plugin", "new", "mine", "-o", "b" * 300, says="File name too long", hint="another folder")


def test_a_folder_is_never_overwritten(tmp_path, refused):
    (tmp_path / "mine").mkdir()
    refused("plugin", "new", "mine", says="mine exists already", hint="--output")
    (tmp_path / "link").symlink_to("nowhere")
    refused("plugin", "new", "mine", "-o", "link", says="link exists already")
    refused("plugin", "new", "mine", "-o", "missing/mine", says="missing does not exist")


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(RunError, match="cannot write mine: No space left on device"):
        write_package("mine", "method")
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_to_do_next(cli, tmp_path):
    ran = cli("plugin", "new", "mine", "--kind", "noise", "--output", "here")
    assert (ran.code, ran.out) == (0, "")
    assert "wrote 9 files in here; next:" in ran.err
    assert "src/mine/plugin.py" in ran.err
    document = cli("plugin", "new", "other", "--json").document
    assert document["schema"] == "calibench.plugin-new/1"
    assert all((tmp_path / file).is_file() for file in document["files"])


def test_every_kind_has_its_templates():
    for kind in KINDS:
        assert (new_package.TEMPLATES / "kinds" / f"{kind}.plugin.py.jinja").is_file()
        assert (new_package.TEMPLATES / "kinds" / f"{kind}.test.py.jinja").is_file()
    assert set(new_package.USES) == set(KINDS)
