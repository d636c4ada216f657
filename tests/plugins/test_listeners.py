"""Listeners: none changes a figure or ends a run, and one that is misspelt is a fault of its plugin."""

from __future__ import annotations

import random
import sys
import time
import warnings

import numpy as np
import pytest
import torch
from listener_sources import DRAWS, HEAD, RAISES
from short_runs import figures, short_run, write_blobs

import calibench
from calibench.plugins import discovery
from calibench.plugins.discovery import registry
from calibench.plugins.events import EVENTS
from calibench.plugins.lifecycle import epoch_finished
from calibench.plugins.listeners import Listener, clock, listener_of


@pytest.fixture
def blobs(tmp_path):
    return write_blobs(tmp_path)


def test_draws_of_a_listener_change_no_figure(install_plugin, blobs):
    plain = short_run("label-smoothing+vtst", blobs, None)
    install_plugin("draws", DRAWS)
    registry()
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    record = short_run("label-smoothing+vtst", blobs, None)
    heard = sys.modules["draws"].heard
    assert len(heard) > 20
    assert all(one[0] == heard[0][0] and torch.equal(one[2], heard[0][2]) for one in heard)
    assert figures(record) == figures(plain)
    assert random.getstate() == states[0]
    assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), states[1], strict=True))
    assert torch.equal(torch.get_rng_state(), states[2])


def test_a_listener_that_raises_ends_no_run_and_is_named_once(install_plugin, blobs):
    install_plugin("raises", RAISES)
    registry()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        record = short_run("ce", blobs, None)
    assert record.metrics["accuracy"] > 0
    named = [str(w.message) for w in caught if issubclass(w.category, calibench.CalibenchWarning)]
    assert named == [
        "plugin 'raises' (raises-dist 3.1, raises): calibench_run_started failed: ValueError: no disk; the run goes on"
    ]
    heard = sys.modules["raises"].heard
    assert set(heard) == set(EVENTS) - {"calibench_sweep_cell_finished"}


def test_ctrl_c_in_a_listener_passes():
    def press(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Listener("a", {"calibench_run_started": press}).tell("calibench_run_started", None)


def test_seconds_of_listeners_are_not_those_of_runs():
    slow = Listener("a", {"calibench_run_started": lambda event: time.sleep(0.05)})
    before, start = clock(), time.perf_counter()
    slow.tell("calibench_run_started", None)
    assert time.perf_counter() - start >= 0.05
    assert clock() - before < 0.04


def test_without_listeners_nothing_is_built(monkeypatch, blobs):
    assert registry().listeners == []
    for event in EVENTS.values():
        monkeypatch.setattr(event, "__init__", lambda *args, **kwargs: pytest.fail("an event was built"))
    short_run("ce", blobs, None)
    epoch_finished("x", 1, 1, train_loss=0, val_nll=0, lr=lambda: pytest.fail("a rate was asked for"))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def calibench_run_started(run):\n    pass\n", "calibench_run_started"),
        ("def calibench_run_startd(event):\n    pass\n", "did you mean 'calibench_run_started'?"),
    ],
)
def test_a_misspelt_listener_is_a_fault(install_plugin, source, says):
    install_plugin("misspelt", f"{HEAD}@calibench.hookimpl\n{source}")
    with pytest.raises(calibench.PluginError) as raised:
        registry()
    assert says in str(raised.value)


def test_a_listener_without_the_marker_is_a_fault(install_plugin):
    install_plugin("bare", f"{HEAD}def calibench_run_started(event):\n    pass\n")
    with pytest.raises(calibench.PluginError, match="without the marker"):
        registry()


def test_a_wrapper_is_refused(install_plugin):
    install_plugin("wraps", f"{HEAD}@calibench.hookimpl(wrapper=True)\ndef calibench_run_started(event):\n    yield\n")
    (broken,) = discovery.discover().broken()
    assert broken.error == "calibench_run_started is a hook wrapper"


def test_an_object_without_hooks_is_no_tracker():
    with pytest.raises(calibench.PluginError, match="implements no lifecycle hook"):
        listener_of("tracker 'x'", object())
