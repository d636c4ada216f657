"""Discovery: what counts as a plugin, and that a broken one is named and does not stop the rest."""

from __future__ import annotations

import io
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from plugin_cases import GOOD, HOOK, SPEC, error_of_broken, only_plugin

from calibench.errors import InputError
from calibench.plugins import discovery
from calibench.plugins.discovery import BLOCK_VARIABLE, discover


def test_a_good_plugin_carries_its_distribution_and_version(plugin):
    registry = discover(plugin("acme", GOOD.format("halve")))
    entry = registry.get("method", "halve")
    assert (entry.plugin.name, entry.plugin.distribution, entry.plugin.version) == ("acme", "acme-dist", "1.2")
    assert entry.plugin.status == "loaded"
    assert not registry.faults
    assert not registry.broken()
    assert str(entry.plugin).startswith("plugin 'acme' (acme-dist 1.2, test_plugin_module_")


def test_our_own_plugins_are_found_through_their_entry_points(monkeypatch):
    monkeypatch.delenv(BLOCK_VARIABLE, raising=False)
    registry = discover()
    ours = {p.name: p for p in registry.plugins}
    assert {"calibench-methods", "calibench-datasets", "calibench-models", "calibench-metrics"} <= ours.keys()
    assert ours["calibench-methods"].distribution == "calibench"
    assert registry.get("method", "vtst").plugin == ours["calibench-methods"]


def test_an_object_can_be_the_plugin(plugin):
    source = """
import calibench
class Plugin:
    @calibench.hookimpl
    def calibench_methods(self):
        return [calibench.MethodSpec(name="halve", kind="calibrator", target="a:B", summary="A test.")]
plugin = Plugin()
"""
    assert discover(plugin("acme", source, attribute=":plugin")).get("method", "halve")


def test_a_hook_may_have_another_function_name(plugin):
    source = GOOD.format("halve").replace("hookimpl", "hookimpl(specname='calibench_methods')")
    assert discover(plugin("acme", source.replace("def calibench_methods", "def stages"))).get("method", "halve")


def test_a_hook_of_a_later_calibench_may_be_optional(plugin):
    source = GOOD.format("halve") + "\n@calibench.hookimpl(optionalhook=True)\ndef calibench_judges(): pass\n"
    registry = discover(plugin("acme", source))
    assert registry.get("method", "halve")
    assert not registry.faults


def test_a_lazy_attribute_that_cannot_be_loaded_does_not_matter(plugin):
    lazy = "\ndef __dir__(): return ['lazy', *globals()]\ndef __getattr__(name): raise RuntimeError(name)\n"
    assert discover(plugin("acme", GOOD.format("halve") + lazy)).get("method", "halve")


def test_a_hook_may_yield_and_may_be_empty(plugin):
    source = GOOD.format("halve").replace("return [", "yield (")[:-2] + ")\n"
    assert discover(plugin("acme", source)).get("method", "halve")
    empty = discover(plugin("acme", GOOD.format("x").split("return")[0] + "return []\n"))
    assert only_plugin(empty).status == "loaded"


def test_the_same_entry_point_listed_twice_counts_once(plugin):
    points = plugin("acme", GOOD.format("halve"))
    twin = plugin("acme", None, dist="Acme_Dist", module=points[0].value)
    registry = discover([*points, *points, *twin])
    assert only_plugin(registry).status == "loaded"
    assert not registry.faults


def test_output_of_a_plugin_does_not_reach_standard_output(plugin, monkeypatch):
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    source = "print('on import')\n" + GOOD.format("halve").replace("    return", "    print('in hook')\n    return")
    assert discover(plugin("acme", source)).get("method", "halve")
    assert out.getvalue() == ""
    lines = err.getvalue().splitlines()
    assert [line.rpartition(") prints: ")[2] for line in lines] == ["on import", "in hook"]
    assert all(line.startswith("plugin 'acme' (acme-dist 1.2, ") for line in lines)


# --- broken plugins -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("def (", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("class Strange(BaseException): pass\nraise Strange('o')", "Strange: o"),
        ("import calibench\ncalibench.Param('Bad key', 'int', 1, 'm')", "parameter key 'Bad key'"),
        (HOOK + "raise RuntimeError('no licence')", "RuntimeError: no licence"),
        (HOOK + "sys.exit('bye')", "SystemExit: bye"),
        (HOOK + "return None", "TypeError"),
        (HOOK + "return ['vtst']", "calibench_methods returned 'vtst', not a MethodSpec"),
        (
            HOOK + "return [calibench.NoiseSpec(name='x', target='a:B', summary='s.')]",
            "calibench_methods returned NoiseSpec",
        ),
        (HOOK + f"return [{SPEC.replace('calibrator', 'calibrater')})]", "kind 'calibrater'"),
        (HOOK + f"return [{SPEC.replace('a:B', 'a.B')})]", "target 'a.B' is not 'module:attribute'"),
        (HOOK + f"return [{SPEC}, colour='red')]", "unexpected keyword argument 'colour'"),
        (HOOK + f"return [{SPEC}, params=calibench.Param('k', 'int', 1, 'm'))]", "TypeError"),
        (HOOK + f"return [{SPEC}, params=2*(calibench.Param('k', 'int', 1, 'm'),))]", "'k' is declared twice"),
        (HOOK + f"yield {SPEC})\n    raise OSError('disk')", "OSError: disk"),
        ("x = 1", "it implements no hook"),
    ],
)
def test_a_plugin_that_fails_is_named_and_adds_nothing(plugin, source, error):
    assert error in error_of_broken(discover(plugin("acme", source)))


def test_an_entry_point_may_name_nothing(plugin):
    assert "ModuleNotFoundError" in error_of_broken(discover(plugin("acme", None)))
    assert "AttributeError" in error_of_broken(discover(plugin("acme", "x = 1", attribute=":plugin")))


def test_a_half_removed_distribution_stops_nothing(plugin, entry_points):
    (point,) = plugin("acme", GOOD.format("halve"))
    (orphan,) = entry_points(entry_points=f"[calibench]\nacme = {point.value}\n")
    assert only_plugin(discover([orphan])).distribution == "unknown"


def test_an_entry_point_file_that_cannot_be_read_stops_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv(BLOCK_VARIABLE, raising=False)
    for name, group in (("ours", "calibench"), ("unrelated", "somebody_else")):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\nno equals sign\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = discover()
    assert [(p.name, p.status) for p in registry.broken()] == [("ours", "broken")]
    assert "entry_points.txt cannot be read" in registry.broken()[0].error
    assert registry.default("method").spec.name == "ce"


def test_interrupting_an_import_interrupts(plugin, python_interrupts):
    with pytest.raises(KeyboardInterrupt):
        discover(plugin("acme", "import os, signal\nos.kill(os.getpid(), signal.SIGINT)"))


def test_the_rest_works_and_a_missing_name_lists_the_broken_plugins(plugin):
    registry = discover([*plugin("bad", "import no_such_module"), *plugin("good", GOOD.format("halve"))])
    assert registry.get("method", "halve")
    with pytest.raises(InputError, match=r"plugin 'bad' \(bad-dist 1.2, .*\) failed to load") as error:
        registry.get("method", "halv")
    assert error.value.hint == "did you mean 'halve'?"


def test_threads_load_plugins_once_and_leave_standard_output(monkeypatch):
    """Replicates are computed in threads, each of which asks for the metrics."""
    loads, before, together = [], sys.stdout, threading.Barrier(4)
    discover_all = discovery.discover

    def slow(**options):
        loads.append(options)
        return discover_all(**options)

    def ask():
        together.wait()
        return discovery.registry("preset", "reader")

    monkeypatch.setattr(discovery, "discover", slow)
    discovery._loaded.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        found = [future.result() for future in [pool.submit(ask) for _ in range(4)]]
    assert sys.stdout is before
    assert len(loads) == 1
    assert len({id(registry) for registry in found}) == 1
