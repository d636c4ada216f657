"""The plugin template, installed into a new environment: it is listed, runs, and passes its own tests."""

from __future__ import annotations

import json
import shutil
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest
from process_cases import output, run
from setuptools import find_namespace_packages, find_packages

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "plugins" / "template"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment that sees this one's packages; a copy of the template is pip-installed in it."""
    home = tmp_path_factory.mktemp("template")
    venv.create(home / "venv", symlinks=True, with_pip=False)
    python = home / "venv" / "bin" / "python"
    (site_packages,) = (home / "venv" / "lib").glob("python*/site-packages")
    parents = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site_packages / "parent.pth").write_text(
        "".join(f"import site; site.addsitedir({p!r})\n" for p in sorted(parents))
    )
    copy = shutil.copytree(TEMPLATE, home / "copy", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    pip = ("-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet", copy)
    output(run(python, *pip, cwd=home))
    assert (site_packages / "calibench_template" / "bcts.py").is_file()
    return python


@pytest.mark.slow
def test_the_template_is_listed_and_runs_and_the_board_has_it(python: Path, tmp_path: Path) -> None:
    listed = json.loads(output(run(python, "-m", "calibench", "list", "methods", "--json", cwd=tmp_path)))
    items = {item["name"]: item for item in listed["items"]}
    assert items["bcts"]["kind"] == "calibrator"
    assert (items["bcts"]["distribution"], items["bcts"]["version"]) == ("calibench-template", "0.1.0")
    assert items["vtst"]["distribution"] == "calibench"

    words = ("run", "-m", "ce+bcts", "-m", "ce", "--epochs", 3, "--quiet", "--json")
    record, plain = json.loads(output(run(python, "-m", "calibench", *words, cwd=tmp_path)))["records"]
    assert record["recipe"] == "ce:epochs=3+bcts"
    assert record["versions"]["calibench-template"] == "0.1.0"
    assert record["fitted"][-1]["nll_after"] < record["fitted"][-1]["nll_before"]
    assert record["metrics"]["nll"] < plain["metrics"]["nll"]

    board = output(run(python, "-m", "calibench", "leaderboard", "--json", cwd=tmp_path))
    assert "ce:epochs=3+bcts" in json.dumps(json.loads(board))


@pytest.mark.slow
def test_listing_with_the_template_imports_no_torch(python: Path, tmp_path: Path) -> None:
    code = "import sys, calibench.plugins.discovery as p; p.registry().get('method', 'bcts'); sys.exit('torch' in sys.modules)"
    output(run(python, "-c", code, cwd=tmp_path))


@pytest.mark.slow
def test_the_templates_own_tests_pass(python: Path, tmp_path: Path) -> None:
    tests = shutil.copytree(TEMPLATE / "tests", tmp_path / "tests")
    assert "3 passed" in output(run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests, cwd=tmp_path))


def test_the_template_is_short() -> None:
    code = [
        line
        for path in (TEMPLATE / "src").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    assert len(code) < 60


def test_calibenchs_own_package_does_not_contain_the_template() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    options = project["tool"]["setuptools"]["packages"]["find"]
    find = find_namespace_packages if options.get("namespaces", True) else find_packages
    packages = {name for where in options["where"] for name in find(str(ROOT / where), include=options["include"])}
    assert {"calibench", "calibench_methods", "calibench_datasets"} <= packages
    assert not [name for name in packages if "template" in name]
