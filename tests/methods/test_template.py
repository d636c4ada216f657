"""A stranger's plugins: the template in a fresh environment, and a broken, a misspelt and a clashing one beside ours."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest
from setuptools import find_namespace_packages, find_packages

from calibench.plugins import discovery as plugins

ROOT = Path(__file__).parent.parent
TEMPLATE = ROOT / "plugins" / "template"
FIXTURES = Path(__file__).parent / "plugins"


def run(*command: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", plugins.BLOCK_VARIABLE}}
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, env=clean | env, capture_output=True, text=True, check=False, timeout=300)


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- the template ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Path:
    """The Python of a new environment that sees this one's packages, with a copy of the template pip-installed."""
    home = tmp_path_factory.mktemp("template")
    venv.create(home / "venv", symlinks=True, with_pip=False)
    python = home / "venv" / "bin" / "python"
    (own,) = (home / "venv" / "lib").glob("python*/site-packages")
    ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (own / "parent.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in sorted(ours)))
    copy = shutil.copytree(TEMPLATE, home / "copy", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    pip = ("-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet", copy)
    good(run(python, *pip, cwd=home))
    assert (own / "calibench_template" / "bcts.py").is_file()
    return python


def test_the_template_is_listed_runs_and_lands_on_the_board(fresh, tmp_path):
    listed = json.loads(good(run(fresh, "-m", "calibench", "list", "methods", "--json", cwd=tmp_path)))
    items = {item["name"]: item for item in listed["items"]}
    assert items["bcts"]["kind"] == "calibrator"
    assert (items["bcts"]["distribution"], items["bcts"]["version"]) == ("calibench-template", "0.1.0")
    assert items["vtst"]["distribution"] == "calibench"

    words = ("run", "-m", "ce+bcts", "-m", "ce", "--epochs", 3, "--quiet", "--json")
    ran = json.loads(good(run(fresh, "-m", "calibench", *words, cwd=tmp_path)))
    record, plain = ran["records"]
    assert record["recipe"] == "ce:epochs=3+bcts"
    assert record["versions"]["calibench-template"] == "0.1.0"
    assert record["fitted"][-1]["nll_after"] < record["fitted"][-1]["nll_before"]
    assert record["metrics"]["nll"] < plain["metrics"]["nll"]

    board = good(run(fresh, "-m", "calibench", "leaderboard", "--json", cwd=tmp_path))
    assert "ce:epochs=3+bcts" in json.dumps(json.loads(board))


def test_listing_with_the_template_imports_no_torch(fresh, tmp_path):
    code = "import sys, calibench.plugins.discovery as p; p.registry().get('method', 'bcts'); sys.exit('torch' in sys.modules)"
    good(run(fresh, "-c", code, cwd=tmp_path))


def test_the_templates_own_tests_pass(fresh, tmp_path):
    tests = shutil.copytree(TEMPLATE / "tests", tmp_path / "tests")
    assert "3 passed" in good(run(fresh, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests, cwd=tmp_path))


def test_the_template_is_short():
    code = [
        line
        for path in (TEMPLATE / "src").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    assert len(code) < 60


def test_our_own_package_does_not_hold_the_template():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"][
        "find"
    ]
    find = find_namespace_packages if options.get("namespaces", True) else find_packages
    packages = {name for where in options["where"] for name in find(str(ROOT / where), include=options["include"])}
    assert {"calibench", "calibench_methods", "calibench_datasets"} <= packages
    assert not [name for name in packages if "template" in name]


# --- a broken plugin, a misspelt hook, a name clash -----------------------------------------------------------------


def calibench_with(name: str, *words: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """The command line where the distribution in tests/plugins/NAME is installed."""
    return run(sys.executable, "-m", "calibench", *words, cwd=cwd, PYTHONPATH=str(FIXTURES / name), **env)


def names(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [item["name"] for item in json.loads(good(done))["items"]]


OURS = ["ce", "tst", "vtst", "temperature", "threshold"]


def test_a_broken_plugin_is_named_and_the_rest_works(tmp_path):
    done = calibench_with("broken", "list", "methods", "--json", cwd=tmp_path)
    assert set(OURS) <= set(names(done)), "one JSON object, although the plugin prints"
    warning = "warning: plugin 'broken' (broken-plugin 0.3, broken_plugin) failed to load: "
    assert warning + "ModuleNotFoundError: No module named 'its_dependency'" in done.stderr

    done = calibench_with("broken", "show", "method", "brokn", cwd=tmp_path)
    assert done.returncode == 2
    assert "plugin 'broken' (broken-plugin 0.3, broken_plugin) failed to load" in done.stderr

    done = calibench_with("broken", "list", "methods", "--json", cwd=tmp_path, CALIBENCH_DISABLE_PLUGINS="broken")
    assert set(OURS) <= set(names(done))
    assert done.stderr == ""


def test_a_misspelt_hook_is_an_error_that_says_who(tmp_path):
    done = calibench_with("misspelt", "list", "methods", "--json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: plugin 'misspelt' (misspelt-plugin 1.4, misspelt_plugin) implements the hook")
    assert "'calibench_method', which does not exist" in error
    assert hint.startswith("hint: did you mean 'calibench_methods'?")
    assert "CALIBENCH_DISABLE_PLUGINS=misspelt" in hint
    done = calibench_with("misspelt", "list", "methods", "--json", cwd=tmp_path, CALIBENCH_DISABLE_PLUGINS="misspelt")
    assert set(OURS) <= set(names(done))


def test_a_name_clash_is_an_error_that_says_who(tmp_path):
    done = calibench_with("clash", "list", "methods", "--json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    error, hint = done.stderr.splitlines()
    assert "plugin 'clash' (clash-plugin 2.5, clash_plugin)" in error
    assert "plugin 'calibench-methods' (calibench " in error
    assert "both offer the method 'temperature'" in error
    assert "CALIBENCH_DISABLE_PLUGINS=clash" in hint
    done = calibench_with("clash", "list", "methods", "--json", cwd=tmp_path, CALIBENCH_DISABLE_PLUGINS="clash")
    assert set(OURS) <= set(names(done))
    assert "cool" not in names(done)
    blocked = "calibench-methods"
    done = calibench_with("clash", "list", "methods", "--json", cwd=tmp_path, CALIBENCH_DISABLE_PLUGINS=blocked)
    assert names(done) == ["cool", "temperature"], "either side can be blocked"


@pytest.fixture
def beside(monkeypatch):
    """`beside("broken")` installs that fixture distribution in this process."""

    def install(name: str) -> None:
        monkeypatch.syspath_prepend(FIXTURES / name)
        importlib.invalidate_caches()
        plugins.registry.cache_clear()

    monkeypatch.delenv(plugins.BLOCK_VARIABLE, raising=False)
    yield install
    plugins.registry.cache_clear()


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("broken", "broken", "ModuleNotFoundError: No module named 'its_dependency'"),
        ("misspelt", "broken", "implements the hook 'calibench_method', which does not exist"),
        ("clash", "loaded", ""),
    ],
)
def test_doctor_shows_it_and_says_not_healthy(beside, cli, monkeypatch, name, status, error):
    beside(name)
    ran = cli("doctor", "--json")
    assert ran.code == 1
    assert not ran.document["healthy"]
    shown = {plugin["name"]: plugin for plugin in ran.document["plugins"]}
    assert shown[name]["distribution"] == f"{name}-plugin"
    assert shown[name]["status"] == status
    assert error in shown[name]["error"]
    assert len(ran.document["faults"]) == (name != "broken")
    table = cli("doctor")
    assert table.code == 1
    assert f"{name}-plugin" in table.out
    assert "not healthy" in table.out
    monkeypatch.setenv(plugins.BLOCK_VARIABLE, name)
    document = cli("doctor", "--json").document
    assert document["faults"] == []
    assert {p["name"]: p["status"] for p in document["plugins"] if p["status"] != "loaded"} == {name: "blocked"}


def test_a_run_beside_a_broken_plugin(beside, cli):
    beside("broken")
    ran = cli("run", "-m", "ce", "--epochs", 1, "--json", "--quiet")
    assert (ran.code, ran.document["recipe"]) == (0, "ce:epochs=1")


def test_a_run_beside_a_clash_writes_nothing(beside, refused):
    beside("clash")
    refused(
        "run", "-m", "ce", "--json", says=("clash-plugin 2.5", "calibench-methods"), hint="CALIBENCH_DISABLE_PLUGINS"
    )
