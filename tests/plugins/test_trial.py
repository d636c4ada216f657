"""The trial of a stranger's plugin: one that hangs or exits is named, and the command goes on; a good one is tried once."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from pathlib import Path

import pytest
from plugin_cases import GOOD
from process_cases import output, run

from calibench.plugins import trial
from calibench.plugins.discovery import BLOCK_VARIABLE, discover
from calibench.plugins.registry import Plugin

ENVIRONMENT = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """`stranger(source)`: an installed plugin `strange` of that source, with trials on, and a home of its own."""
    site = tmp_path / "site"
    info = site / "strange-2.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text("[calibench]\nstrange = strange_module\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv(trial.TRIAL_VARIABLE, raising=False)
    monkeypatch.delenv(BLOCK_VARIABLE, raising=False)

    def install(source: str) -> Path:
        (site / "strange_module.py").write_text(source)
        return tmp_path / "home" / ".cache" / "calibench" / "plugins.json"

    yield install
    sys.modules.pop("strange_module", None)


def strange(**options) -> Plugin:
    """The plugin as `discover` found it; all of ours are loaded."""
    registry = discover(**options)
    assert registry.default("method").spec.name == "ce"
    return next(plugin for plugin in registry.plugins if plugin.name == "strange")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import os\nos._exit(0)", "it ends the whole process while it is imported, with exit code 0"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "with signal 11"),
        ("import time\ntime.sleep(1000)", "it hangs: its import does not end within 2 s"),
        (GOOD.format("halve").replace("    return", "    while True: pass\n    return"), "it hangs"),
        ("import os\nos.closerange(0, 20)", "its import closes standard input, output or error"),
        (
            GOOD.format("halve") + "sys = __import__('sys')\nsys.setrecursionlimit(50)",
            "lowers Python's recursion limit",
        ),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
    ids=["exits", "crashes", "hangs", "hangs in a hook", "closes", "recursion limit", "interrupts"],
)
def test_a_plugin_that_would_hurt_the_command_is_named(stranger, monkeypatch, source, why):
    stranger(source)
    monkeypatch.setenv(trial.SECONDS_VARIABLE, "2")
    if "hangs" not in why:
        monkeypatch.setenv(trial.SECONDS_VARIABLE, "60")
    plugin = strange()
    assert (plugin.status, plugin.distribution, plugin.version) == ("broken", "strange", "2.0")
    assert why in plugin.error
    assert "strange_module" not in sys.modules


SAYS = """
with open({marker!r}, "a") as file:
    file.write(__name__)
raise ImportError("the current folder")
"""


@pytest.mark.slow
def test_nothing_of_the_current_folder_runs_in_a_trial_or_a_worker(stranger, tmp_path):
    stranger(GOOD.format("halve"))
    here, marker = tmp_path / "here", tmp_path / "marker"
    here.mkdir()
    for name in ("hashlib.py", "pluggy.py", "json.py", "numpy.py"):
        (here / name).write_text(SAYS.format(marker=str(marker)))
    env = {"PYTHONPATH": os.pathsep.join(sys.path[:1] + ENVIRONMENT), "HOME": os.environ["HOME"]}
    ours = sys.executable, "-P", "-m", "calibench"
    assert "strange" in output(run(*ours, "list", "methods", cwd=here, **env))
    options = "-m", "ce", "-d", "digits", "-s", "0-1", "-j", 2, "--epochs", 1, "--results", tmp_path / "results"
    output(run(*ours, "run", *options, cwd=here, **env))
    assert len(list((tmp_path / "results" / "records").glob("*.json"))) == 2
    assert not marker.exists()
    assert (tmp_path / "home" / ".cache" / "calibench" / "plugins.json").exists()


def test_a_keyboard_interrupt_of_a_plugin_is_its_own_and_ctrl_c_is_the_users(stranger, monkeypatch, python_interrupts):
    monkeypatch.setenv(trial.TRIAL_VARIABLE, "0")
    stranger("raise KeyboardInterrupt('mine')")
    before = signal.getsignal(signal.SIGINT)
    plugin = strange()
    assert (plugin.status, plugin.error) == ("broken", "KeyboardInterrupt: mine")
    stranger("import os, signal\nos.kill(os.getpid(), signal.SIGINT)")
    importlib.invalidate_caches()
    with pytest.raises(KeyboardInterrupt):
        strange()
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.slow
def test_a_good_plugin_is_tried_once_until_its_files_change(stranger, monkeypatch):
    kept = stranger(GOOD.format("halve"))
    assert strange().status == "loaded"
    (result,) = json.loads(kept.read_text()).values()
    assert result["why"] == ""

    tries = []
    monkeypatch.setattr(trial, "_try", lambda plugin: tries.append(plugin) or "tried")
    sys.modules.pop("strange_module")
    assert strange().status == "loaded"
    assert not tries
    sys.modules.pop("strange_module")
    stranger(GOOD.format("other-name"))
    assert strange().error == "tried"
    assert len(tries) == 1
    assert strange().error == "tried", "a failure is believed for an hour"
    assert len(tries) == 1
    assert strange(again=True).error == "tried"
    assert len(tries) == 2


def test_ours_have_no_trial_and_0_turns_it_off(stranger, monkeypatch):
    kept = stranger(GOOD.format("halve"))
    monkeypatch.setattr(trial, "_try", lambda plugin: pytest.fail(f"{plugin} was tried"))
    monkeypatch.setenv(trial.TRIAL_VARIABLE, "0")
    assert strange().status == "loaded"
    assert not kept.exists()


def test_a_damaged_file_of_results_and_a_home_without_write_access_do_no_harm(stranger, monkeypatch, tmp_path):
    kept = stranger(GOOD.format("halve"))
    monkeypatch.setattr(trial, "_try", lambda plugin: "")
    strange()
    (key,) = json.loads(kept.read_text())
    fields = ['"why": "no", "at": "x"', '"why": "no", "at": 1e99', '"why": "no", "at": null', '"why": 1, "at": 1']
    damaged = [f'{{"{key}": {{{text}}}}}' for text in fields]
    for text in ("", "[1]", '{"a": 1}', '{"a": {"why": ""}}', "\x00", "[" * 100_000, *damaged):
        kept.write_text(text)
        sys.modules.pop("strange_module", None)
        assert strange().status == "loaded", text[:80]
    monkeypatch.setenv("HOME", str(tmp_path / "site" / "strange_module.py"))  # a file: no folder can be made in it
    sys.modules.pop("strange_module", None)
    assert strange().status == "loaded"


def test_a_limit_that_is_no_number_is_refused(stranger, monkeypatch, refused):
    stranger(GOOD.format("halve"))
    monkeypatch.setenv(trial.SECONDS_VARIABLE, "soon")
    refused("plugin", "list", says="CALIBENCH_PLUGIN_SECONDS=soon is no number of seconds")
