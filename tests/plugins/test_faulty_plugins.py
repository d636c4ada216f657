"""A stranger's faulty plugins beside calibench's own: one that is broken, one with a misspelt hook, one with a name clash."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from process_cases import output, run

from calibench.plugins import discovery

DISTRIBUTIONS = Path(__file__).resolve().parent / "samples"
"""A folder for each faulty plugin, as if installed."""

OURS = {"ce", "tst", "vtst", "temperature", "threshold"}


def calibench_with(plugin: str, *words: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """The command line with this faulty plugin installed."""
    return run(sys.executable, "-m", "calibench", *words, cwd=cwd, PYTHONPATH=str(DISTRIBUTIONS / plugin), **env)


def names(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The names in `calibench list --json`: one JSON object, whatever a plugin prints."""
    return [item["name"] for item in json.loads(output(done))["items"]]


def names_without(plugin: str, blocked: str, cwd: Path) -> list[str]:
    """The methods listed with this plugin installed and `blocked` blocked."""
    return names(calibench_with(plugin, "list", "methods", "--json", cwd=cwd, CALIBENCH_DISABLE_PLUGINS=blocked))


@pytest.mark.slow
def test_a_broken_plugin_is_named_and_the_others_work(tmp_path: Path) -> None:
    done = calibench_with("broken", "list", "methods", "--json", cwd=tmp_path)
    assert set(names(done)) >= OURS
    warning = "warning: plugin 'broken' (broken-plugin 0.3, broken_plugin) failed to load: "
    assert warning + "ModuleNotFoundError: No module named 'its_dependency'" in done.stderr

    done = calibench_with("broken", "show", "method", "brokn", cwd=tmp_path)
    assert done.returncode == 2
    assert "plugin 'broken' (broken-plugin 0.3, broken_plugin) failed to load" in done.stderr

    done = calibench_with("broken", "list", "methods", "--json", cwd=tmp_path, CALIBENCH_DISABLE_PLUGINS="broken")
    assert set(names(done)) >= OURS
    assert done.stderr == ""


def test_a_misspelt_hook_is_an_error_that_names_the_plugin(tmp_path: Path) -> None:
    done = calibench_with("misspelt", "list", "methods", "--json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: plugin 'misspelt' (misspelt-plugin 1.4, misspelt_plugin) implements the hook")
    assert "'calibench_method', which does not exist" in error
    assert hint.startswith("hint: did you mean 'calibench_methods'?")
    assert "CALIBENCH_DISABLE_PLUGINS=misspelt" in hint
    assert set(names_without("misspelt", "misspelt", tmp_path)) >= OURS


def test_a_name_clash_is_an_error_that_names_both_plugins(tmp_path: Path) -> None:
    done = calibench_with("clash", "list", "methods", "--json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    error, hint = done.stderr.splitlines()
    assert "plugin 'clash' (clash-plugin 2.5, clash_plugin)" in error
    assert "plugin 'calibench-methods' (calibench " in error
    assert "both offer the method 'temperature'" in error
    assert "CALIBENCH_DISABLE_PLUGINS=clash" in hint
    without_clash = names_without("clash", "clash", tmp_path)
    assert set(without_clash) >= OURS
    assert "cool" not in without_clash
    assert names_without("clash", "calibench-methods", tmp_path) == ["cool", "temperature"]  # either can be blocked


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """`install("broken")` installs that faulty plugin in this process."""

    def into_this_process(plugin: str) -> None:
        monkeypatch.syspath_prepend(DISTRIBUTIONS / plugin)
        importlib.invalidate_caches()
        discovery._loaded.cache_clear()

    monkeypatch.delenv(discovery.BLOCK_VARIABLE, raising=False)
    yield into_this_process
    discovery._loaded.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plugin", "status", "error", "faults"),
    [
        ("broken", "broken", "ModuleNotFoundError: No module named 'its_dependency'", 0),
        ("misspelt", "broken", "implements the hook 'calibench_method', which does not exist", 1),
        ("clash", "loaded", "", 1),
    ],
)
def test_doctor_shows_the_plugin_and_is_not_healthy(
    install: Callable[[str], None], cli: Callable[..., Any], plugin: str, status: str, error: str, faults: int
) -> None:
    install(plugin)
    ran = cli("doctor", "--json")
    assert (ran.code, ran.document["healthy"]) == (1, False)
    entry = next(row for row in ran.document["plugins"] if row["name"] == plugin)
    assert (entry["distribution"], entry["status"]) == (f"{plugin}-plugin", status)
    assert error in entry["error"]
    assert len(ran.document["faults"]) == faults
    table = cli("doctor")
    assert table.code == 1
    assert f"{plugin}-plugin" in table.out
    assert "not healthy" in table.out


@pytest.mark.slow
@pytest.mark.parametrize("plugin", ["broken", "misspelt", "clash"])
def test_doctor_shows_a_blocked_plugin_without_faults(
    install: Callable[[str], None], cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, plugin: str
) -> None:
    install(plugin)
    monkeypatch.setenv(discovery.BLOCK_VARIABLE, plugin)
    document = cli("doctor", "--json").document
    assert document["faults"] == []
    statuses = {entry["name"]: entry["status"] for entry in document["plugins"]}
    assert {name: status for name, status in statuses.items() if status != "loaded"} == {plugin: "blocked"}


@pytest.mark.slow
def test_a_run_beside_a_broken_plugin(install: Callable[[str], None], cli: Callable[..., Any]) -> None:
    install("broken")
    ran = cli("run", "-m", "ce", "--epochs", 1, "--json", "--quiet")
    assert (ran.code, ran.document["recipe"]) == (0, "ce:epochs=1")


def test_a_run_beside_a_clash_writes_nothing(install: Callable[[str], None], refused: Callable[..., str]) -> None:
    install("clash")
    refused(
        "run", "-m", "ce", "--json", says=("clash-plugin 2.5", "calibench-methods"), hint="CALIBENCH_DISABLE_PLUGINS"
    )
