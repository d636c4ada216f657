"""Sources of plugins, and what a registry must hold of a single plugin that fails."""

from __future__ import annotations

from calibench.errors import PluginError
from calibench.plugins.registry import Plugin, Registry

GOOD = """
import calibench

@calibench.hookimpl
def calibench_methods():
    return [calibench.MethodSpec(name="{0}", kind="calibrator", target="nowhere:Nothing", summary="A test.")]
"""
"""A sound plugin; format it with the name of its calibrator."""

HOOK = "import calibench, sys\n@calibench.hookimpl\ndef calibench_methods():\n    "
"""A hook without its body."""

SPEC = "calibench.MethodSpec(name='x', kind='calibrator', target='a:B', summary='s.'"
"""A spec without the closing parenthesis."""


def only_plugin(registry: Registry) -> Plugin:
    assert len(registry.plugins) == 1
    return registry.plugins[0]


def error_of_broken(registry: Registry) -> str:
    """The error of the only plugin: it is broken, adds nothing, and is no fault of the whole."""
    plugin = only_plugin(registry)
    assert (plugin.status, registry.broken(), registry.entries, registry.faults) == ("broken", [plugin], {}, [])
    return plugin.error


def only_fault(registry: Registry) -> PluginError:
    assert len(registry.faults) == 1
    error = registry.faults[0]
    assert error.exit_code == 2
    assert error.hint
    return error
