"""Plugins that make names ambiguous or whose hooks would never run: the error names every plugin that takes part."""

from __future__ import annotations

import importlib.metadata

import pytest
from plugin_cases import GOOD, HOOK, SPEC, only_fault

from calibench.errors import PluginError
from calibench.plugins import discovery
from calibench.plugins.discovery import BLOCK_VARIABLE, discover
from calibench.plugins.specs import MethodSpec


def test_a_misspelt_hook(plugin):
    source = GOOD.format("halve").replace("def calibench_methods", "def calibench_method")
    error = only_fault(discover(plugin("acme", source)))
    assert "plugin 'acme' (acme-dist 1.2, " in error.message
    assert "the hook 'calibench_method', which does not exist" in error.message
    assert "did you mean 'calibench_methods'?" in error.hint
    assert f"{BLOCK_VARIABLE}=acme" in error.hint


def test_a_hook_without_the_marker(plugin):
    error = only_fault(discover(plugin("acme", "def calibench_methods(): return []")))
    assert "'acme' (acme-dist 1.2" in error.message
    assert "without the marker" in error.message
    assert "@calibench.hookimpl" in error.hint


def test_a_hook_with_arguments_that_do_not_exist(plugin):
    source = GOOD.format("halve").replace("def calibench_methods()", "def calibench_methods(config)")
    error = only_fault(discover(plugin("acme", source)))
    assert "plugin 'acme' (acme-dist 1.2" in error.message
    assert "config" in error.message
    assert "\n" not in error.message


def test_two_plugins_with_one_item_name_both(plugin):
    error = only_fault(discover([*plugin("acme", GOOD.format("halve")), *plugin("bond", GOOD.format("halve"))]))
    assert "plugin 'bond' (bond-dist 1.2" in error.message
    assert "plugin 'acme' (acme-dist 1.2" in error.message
    assert "the method 'halve'" in error.message
    assert f"{BLOCK_VARIABLE}=bond or {BLOCK_VARIABLE}=acme" in error.hint


def test_one_name_may_stand_in_two_families(plugin):
    source = GOOD.format("halve") + (
        "\n@calibench.hookimpl\ndef calibench_noises():\n"
        "    return [calibench.NoiseSpec(name='halve', target='a:B', summary='A test.')]\n"
    )
    registry = discover(plugin("acme", source))
    assert not registry.faults
    assert registry.get("noise", "halve") != registry.get("method", "halve")


def test_one_plugin_with_one_name_twice(plugin):
    error = only_fault(discover(plugin("acme", HOOK + f"return [{SPEC}), {SPEC})]")))
    assert "plugin 'acme'" in error.message
    assert "offers the method 'x' twice" in error.message


def test_two_plugins_of_one_name_name_both(plugin):
    points = [*plugin("acme", GOOD.format("a"), dist="one"), *plugin("acme", GOOD.format("b"), dist="two")]
    error = only_fault(discover(points))
    assert "(one 1.2" in error.message
    assert "(two 1.2" in error.message
    assert "another name" in error.hint


def test_one_module_from_two_distributions_names_both(plugin):
    """A copied template whose entry point was not renamed: which of the two is meant?"""
    points = plugin("acme", GOOD.format("halve"), dist="one")
    error = only_fault(discover([*points, *plugin("acme", None, dist="two", module=points[0].value)]))
    assert "(one 1.2" in error.message
    assert "(two 1.2" in error.message


def test_one_module_under_two_names_names_both(plugin):
    points = plugin("acme", GOOD.format("halve"))
    error = only_fault(discover([*points, *plugin("bond", None, module=points[0].value)]))
    assert "'acme'" in error.message
    assert "'bond'" in error.message


def test_two_defaults_name_both(plugin):
    claim = GOOD.replace("summary=", "default=True, summary=").replace("calibrator", "objective")
    error = only_fault(discover([*plugin("acme", claim.format("a")), *plugin("bond", claim.format("b"))]))
    assert "both claim the default method" in error.message
    assert "'acme'" in error.message
    assert "'bond'" in error.message


def test_registry_raises_what_discover_collects(plugin, monkeypatch):
    points = plugin("acme", "def calibench_methods(): return []")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points)
    discovery._loaded.cache_clear()
    try:
        with pytest.raises(PluginError, match="without the marker"):
            discovery.registry()
    finally:
        discovery._loaded.cache_clear()


@pytest.mark.parametrize("key", ["use_when", "avoid_when", "cost"])
def test_a_line_of_a_method_with_a_line_break(key):
    with pytest.raises(PluginError, match=f"method 'halve': {key} must be one line"):
        MethodSpec(name="halve", kind="calibrator", target="acme:Halve", summary="Halves.", **{key: "a\nb"})
