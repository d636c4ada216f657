"""The version of the API that a plugin states: one that this calibench does not have is refused by name."""

from __future__ import annotations

import pytest
from plugin_cases import GOOD, error_of_broken, only_plugin

import calibench
from calibench.plugins import api_version
from calibench.plugins.discovery import discover


def test_the_version_is_public():
    major, minor = calibench.API_VERSION.split(".")
    assert int(major) >= 1
    assert int(minor) >= 0


@pytest.mark.parametrize("wanted", ["2.0", "2.3"])
def test_the_same_major_and_no_newer_minor_fit(plugin, monkeypatch, wanted):
    monkeypatch.setattr(api_version, "API_VERSION", "2.3")
    registry = discover(plugin("acme", f"CALIBENCH_API = {wanted!r}\n" + GOOD.format("halve")))
    assert (only_plugin(registry).status, only_plugin(registry).api) == ("loaded", wanted)


@pytest.mark.parametrize(
    ("wanted", "remedy"),
    [("2.4", "a newer calibench"), ("3.0", "a newer calibench"), ("1.9", "a newer version of the plugin")],
)
def test_another_version_is_refused(plugin, monkeypatch, wanted, remedy):
    monkeypatch.setattr(api_version, "API_VERSION", "2.3")
    error = error_of_broken(discover(plugin("acme", f"CALIBENCH_API = {wanted!r}\n" + GOOD.format("halve"))))
    assert error == f"it wants version {wanted} of calibench's API, and this calibench has 2.3: install {remedy}"


@pytest.mark.parametrize("wanted", ["1", 1.0, "one", "1.0.0", (1, 0)])
def test_what_is_no_version_is_refused(plugin, wanted):
    error = error_of_broken(discover(plugin("acme", f"CALIBENCH_API = {wanted!r}\n" + GOOD.format("halve"))))
    assert f"its CALIBENCH_API is {wanted!r}" in error


def test_a_plugin_that_states_none_is_loaded(plugin):
    assert only_plugin(discover(plugin("acme", GOOD.format("halve")))).api == ""


def test_the_object_of_an_entry_point_may_state_it(plugin):
    source = GOOD.format("halve") + "\nclass Holder: CALIBENCH_API = '99.0'\nholder = Holder()\n"
    assert "wants version 99.0" in error_of_broken(discover(plugin("acme", source, attribute=":holder")))
