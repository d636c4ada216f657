"""CALIBENCH_DISABLE_PLUGINS: a plugin that is named there is not even imported."""

from __future__ import annotations

import sys

import pytest
from plugin_cases import GOOD

from calibench.errors import CalibenchWarning
from calibench.plugins.discovery import BLOCK_VARIABLE, discover


@pytest.mark.parametrize("names", ["bad", " bad ,", "bad,good"])
def test_blocking_by_name(plugin, monkeypatch, names):
    points = [*plugin("bad", "raise SystemExit"), *plugin("good", GOOD.format("halve"))]
    monkeypatch.setenv(BLOCK_VARIABLE, names)
    registry = discover(points)
    assert registry.plugins[0].status == "blocked"
    assert BLOCK_VARIABLE in registry.plugins[0].error
    assert not registry.broken()
    assert bool(registry.entries) == ("good" not in names)


@pytest.mark.parametrize("source", ["def calibench_methods(): return []", GOOD.format("halve")])
def test_blocking_one_side_of_a_fault_mends_it(plugin, monkeypatch, source):
    points = [*plugin("acme", GOOD.format("halve")), *plugin("bond", source)]
    assert discover(points).faults
    monkeypatch.setenv(BLOCK_VARIABLE, "bond")
    registry = discover(points)
    assert not registry.faults
    assert registry.get("method", "halve").plugin.name == "acme"


def test_a_blocked_plugin_is_never_imported(plugin, monkeypatch):
    points = plugin("acme", GOOD.format("halve"))
    monkeypatch.setenv(BLOCK_VARIABLE, "acme")
    discover(points)
    assert points[0].value not in sys.modules


def test_blocking_an_unknown_name_warns_with_the_nearest(plugin, monkeypatch):
    monkeypatch.setenv(BLOCK_VARIABLE, "acne")
    with pytest.warns(CalibenchWarning, match="'acne', which is no plugin here; did you mean 'acme'?"):
        discover(plugin("acme", GOOD.format("halve")))
