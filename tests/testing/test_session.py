"""The processes of `calibench plugin check`: what ends them, what they leave, and what the user reads."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from calibench.errors import NoTorchError, RunError
from calibench.testing import check_plugin
from calibench.testing.conformance import plugin_verdicts
from calibench.testing.session import session
from calibench.testing.source import sources_of

LEAVES_A_PROCESS = """
import calibench

@calibench.hookimpl
def calibench_trackers():
    return [calibench.TrackerSpec(name="forks", target=f"{{__name__}}:Forks", summary="It forks.")]


class Forks:
    def __init__(self):
        import os, time
        if os.fork() == 0:
            with open({file!r}, "w") as file:
                file.write(str(os.getpid()))
            time.sleep(1000)

    @calibench.hookimpl
    def calibench_run_started(self, event):
        pass


class NoHook:
    pass
"""


def lives(process: int) -> bool:
    """True for a process that is there, and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_a_process_that_a_plugin_starts_ends_with_the_check(tmp_path: Path) -> None:
    number, file = tmp_path / "number", tmp_path / "forking.py"
    file.write_text(LEAVES_A_PROCESS.format(file=str(number)))
    verdicts = {verdict.check: verdict for verdict in plugin_verdicts(sources_of(file))}
    assert (verdicts["hooks"].status, verdicts["hooks"].why) == ("ok", "calibench_run_started")
    process, until = int(number.read_text()), time.monotonic() + 10
    while lives(process) and time.monotonic() < until:
        time.sleep(0.01)
    assert not lives(process)


@pytest.mark.slow
def test_a_tracker_without_a_hook_fails(tmp_path: Path) -> None:
    file = tmp_path / "no_hook.py"
    file.write_text(LEAVES_A_PROCESS.format(file="").replace("}:Forks", "}:NoHook"))
    (failed,) = [verdict for verdict in plugin_verdicts(sources_of(file)) if verdict.failed]
    assert (failed.check, failed.item) == ("hooks", "tracker forks")
    assert "implements no lifecycle hook" in failed.why
    assert "calibench_run_finished" in failed.remedy


@pytest.mark.slow
def test_our_trackers_pass() -> None:
    verdicts = check_plugin("calibench-trackers")
    assert {verdict.item for verdict in verdicts} >= {"tracker tensorboard", "tracker wandb", "tracker mlflow"}


@pytest.mark.slow
def test_a_fault_of_the_checking_process_is_one_line() -> None:
    with session(60) as opened, pytest.raises(RunError) as error:
        list(opened.verdicts({"stage": "item", "family": "no family"}))
    assert error.value.message.startswith("the process that checks plugins failed: InputError: there are no checks for")


@pytest.mark.slow
def test_without_torch_the_hint_says_how_to_get_it(tmp_path: Path, monkeypatch, refused) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('no torch', name='torch')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    with pytest.raises(NoTorchError):
        list(plugin_verdicts(sources_of("calibench-trackers")))
    monkeypatch.setattr("calibench.testing.conformance.find_spec", lambda name: None)
    says = "torch is not installed, and calibench plugin check needs it"
    refused("plugin", "check", "calibench-trackers", says=says, hint="pip install")
