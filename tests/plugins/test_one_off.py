"""One-off plugins: a file that the user names works as an installed plugin, in workers too, and its code is part of the record."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

import calibench
from calibench.cache import code
from calibench.plugins import discovery
from calibench.plugins.registry import FILES_VARIABLE

SOURCE = """
import calibench

@calibench.hookimpl
def calibench_methods():
    return [calibench.MethodSpec(
        name="halve", kind="calibrator", target=f"{__name__}:Halve", summary="Divide every logit by two.",
    )]

class Halve(calibench.Calibrator):
    def fit(self, outputs, labels):
        return {"factor": 0.5}

    def apply(self, outputs, fitted):
        return calibench.Outputs(outputs.logits() * fitted["factor"])
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """No one-off plugin before or after."""
    monkeypatch.setenv(FILES_VARIABLE, "")
    before = set(sys.modules)
    discovery.forget()
    yield
    for name in set(sys.modules) - before:
        if name.startswith("my_"):
            del sys.modules[name]
    discovery.forget()


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "my_halve.py"
    path.write_text(SOURCE)
    return path


def test_a_file_in_the_current_folder_is_not_loaded_unless_it_is_named(cli, file):
    assert cli("show", "method", "halve").code == 2
    assert FILES_VARIABLE not in os.environ or str(file) not in os.environ[FILES_VARIABLE]
    ran = cli("show", "method", "halve", "--plugin", "my_halve.py", "--json")
    assert (ran.document["distribution"], len(ran.document["version"])) == ("my_halve.py", 12)


def test_the_option_may_stand_before_the_command(cli, file):
    listed = cli("--plugin", file, "list", "methods", "--json").document["items"]
    assert "halve" in {item["name"] for item in listed}


@pytest.mark.slow
def test_a_run_and_its_workers_load_it_and_an_edit_runs_again(cli, file):
    words = ("run", "-m", "ce+halve", "--epochs", 1, "--plugin", "my_halve.py", "--json", "-q")
    first = cli(*words, "-j", 1).document
    assert first["fitted"][-1]["factor"] == 0.5
    assert cli(*words).document == first, "there already"

    file.write_text(SOURCE.replace("0.5", "0.25"))
    del sys.modules["my_halve"]
    discovery.forget()
    code._sources.cache_clear()  # as in another process
    again = cli(*words).document
    assert again["fitted"][-1]["factor"] == 0.25
    assert again["versions"]["my_halve.py"] != first["versions"]["my_halve.py"]
    assert again["code"] != first["code"]


@pytest.mark.slow
def test_evaluate_fits_it(cli, file, good):
    ran = cli("evaluate", "good.npz", "--fit", "halve", "--cross-fit", 2, "--plugin", file, "--json")
    assert ran.code == 0, ran.err
    assert "halve" in json.dumps(ran.document)


def test_the_readmes_plugin_works_as_a_file(tmp_path):
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    source = next(
        block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "@calibench.hookimpl" in block
    )
    (tmp_path / "my_plugin.py").write_text(source)
    calibench.load_plugin(tmp_path / "my_plugin.py")
    spec = discovery.registry().get("method", "halve").spec
    assert issubclass(spec.load(), calibench.Calibrator)


def test_from_python(file):
    plugin = calibench.load_plugin(file)
    assert (plugin.name, plugin.module, plugin.one_off) == ("my-halve", "my_halve", True)
    assert calibench.load_plugin(str(file)) == plugin
    assert discovery.registry().get("method", "halve").plugin == plugin


@pytest.mark.parametrize(
    ("name", "source", "says", "hint"),
    [
        ("nothing.py", None, "does not exist", "--plugin ./my_method.py"),
        ("my-halve.py", SOURCE, "its name is no module's", "my_method.py"),
        ("my_halve.txt", SOURCE, "its name is no module's", "my_method.py"),
        ("json.py", SOURCE, "its name is that of the module json of Python", "another name"),
        ("numpy.py", SOURCE, "its name is that of the module", "another name"),
        ("my_broken.py", "import no_such_module", "does not load: ModuleNotFoundError", "plugin check"),
        ("my_exit.py", "raise SystemExit(3)", "does not load: SystemExit: 3", "plugin check"),
        ("my_api.py", "CALIBENCH_API = '7.1'\n" + SOURCE, "it wants version 7.1 of calibench's API", "plugin check"),
        ("my_empty.py", "x = 1", "it implements no hook", "plugin check"),
        ("my_clash.py", SOURCE.replace('"halve"', '"temperature"'), "both offer the method 'temperature'", "my-clash"),
    ],
)
def test_a_file_that_is_no_plugin_is_refused(refused, tmp_path, name, source, says, hint):
    if source is not None:
        (tmp_path / name).write_text(source)
    refused("list", "methods", "--plugin", name, says=says, hint=hint)
    assert discovery.registry().default("method").spec.name == "ce", "the next command of a program works"


def test_a_folder_is_refused(refused, tmp_path):
    (tmp_path / "package").mkdir()
    refused("list", "methods", "--plugin", "package", says="is a folder", hint="pip install -e")
