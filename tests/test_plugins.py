"""Discovery: one bad plugin is named and shown and never stops the rest; what makes names ambiguous says who."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import io
import itertools
import sys
from pathlib import Path

import pytest

import calibench
from calibench.errors import CalibenchWarning, InputError, PluginError
from calibench.plugins import discovery as plugins
from calibench.plugins.discovery import BLOCK_VARIABLE, HOOKS, discover
from calibench.plugins.registry import Registry

ROOT = Path(__file__).parent.parent
NUMBER = itertools.count()

GOOD = """
import calibench

@calibench.hookimpl
def calibench_methods():
    return [calibench.MethodSpec(name="{0}", kind="calibrator", target="nowhere:Nothing", summary="A test.")]
"""


class InMemory(importlib.metadata.Distribution):
    """A distribution whose files are a dictionary."""

    def __init__(self, **files: str) -> None:
        self.texts = files

    def read_text(self, filename):
        return self.texts.get(filename.replace(".txt", ""))

    def locate_file(self, path):
        return Path(path)


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """`plugin("acme", source)`: the entry points of a distribution acme-dist 1.2 whose plugin acme is that module."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv(BLOCK_VARIABLE, raising=False)

    def make(name: str, source: str | None, dist: str | None = None, attribute: str = "", module: str = ""):
        if not module:
            module = f"test_plugin_module_{next(NUMBER)}"
            if source is not None:
                (tmp_path / f"{module}.py").write_text(source)
        importlib.invalidate_caches()
        metadata = f"Metadata-Version: 2.1\nName: {dist or name + '-dist'}\nVersion: 1.2\n"
        points = f"[calibench]\n{name} = {module}{attribute}\n"
        return list(InMemory(METADATA=metadata, entry_points=points).entry_points)

    return make


def only(found: Registry) -> plugins.Plugin:
    assert len(found.plugins) == 1
    return found.plugins[0]


def broken(found: Registry) -> str:
    """The error of the one plugin, which is broken, adds nothing, and is no fault of the whole."""
    bad = only(found)
    assert (bad.status, found.broken(), found.entries, found.faults) == ("broken", [bad], {}, [])
    return bad.error


def fault(found: Registry) -> PluginError:
    assert len(found.faults) == 1
    error = found.faults[0]
    assert error.exit_code == 2
    assert error.hint
    return error


# --- what is found --------------------------------------------------------------------------------------------------


def test_a_good_plugin_carries_its_distribution_and_version(plugin):
    found = discover(plugin("acme", GOOD.format("halve")))
    entry = found.get("method", "halve")
    assert (entry.plugin.name, entry.plugin.distribution, entry.plugin.version) == ("acme", "acme-dist", "1.2")
    assert entry.plugin.status == "loaded"
    assert not found.faults
    assert not found.broken()
    assert str(entry.plugin).startswith("plugin 'acme' (acme-dist 1.2, test_plugin_module_")


def test_our_own_plugins_come_in_through_the_entry_points(monkeypatch):
    monkeypatch.delenv(BLOCK_VARIABLE, raising=False)
    found = discover()
    ours = {p.name: p for p in found.plugins}
    assert {"calibench-methods", "calibench-datasets", "calibench-models", "calibench-metrics"} <= ours.keys()
    assert ours["calibench-methods"].distribution == "calibench"
    assert found.get("method", "vtst").plugin == ours["calibench-methods"]


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
    source = GOOD.format("halve") + "\n@calibench.hookimpl(optionalhook=True)\ndef calibench_trackers(): pass\n"
    found = discover(plugin("acme", source))
    assert found.get("method", "halve")
    assert not found.faults


def test_a_lazy_attribute_that_cannot_be_had_does_not_matter(plugin):
    lazy = "\ndef __dir__(): return ['lazy', *globals()]\ndef __getattr__(name): raise RuntimeError(name)\n"
    assert discover(plugin("acme", GOOD.format("halve") + lazy)).get("method", "halve")


def test_a_hook_may_yield_and_may_be_empty(plugin):
    source = GOOD.format("halve").replace("return [", "yield (")[:-2] + ")\n"
    assert discover(plugin("acme", source)).get("method", "halve")
    empty = discover(plugin("acme", GOOD.format("x").split("return")[0] + "return []\n"))
    assert only(empty).status == "loaded"


def test_the_same_entry_point_listed_twice_counts_once(plugin):
    points = plugin("acme", GOOD.format("halve"))
    again = plugin("acme", None, dist="Acme_Dist", module=points[0].value)
    found = discover([*points, *points, *again])
    assert only(found).status == "loaded"
    assert not found.faults


def test_what_a_plugin_prints_does_not_reach_standard_output(plugin, monkeypatch):
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    source = "print('on import')\n" + GOOD.format("halve").replace("    return", "    print('in hook')\n    return")
    assert discover(plugin("acme", source)).get("method", "halve")
    assert out.getvalue() == ""
    assert err.getvalue().split("\n") == ["on import", "in hook", ""]


# --- broken: named, shown, and the rest works -----------------------------------------------------------------------

HOOK = "import calibench, sys\n@calibench.hookimpl\ndef calibench_methods():\n    "
SPEC = "calibench.MethodSpec(name='x', kind='calibrator', target='a:B', summary='s.'"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("def (", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("class Odd(BaseException): pass\nraise Odd('o')", "Odd: o"),
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
    assert error in broken(discover(plugin("acme", source)))


def test_an_entry_point_may_name_nothing(plugin):
    assert "ModuleNotFoundError" in broken(discover(plugin("acme", None)))
    assert "AttributeError" in broken(discover(plugin("acme", "x = 1", attribute=":plugin")))


def test_a_half_removed_distribution_stops_nothing(plugin):
    (point,) = plugin("acme", GOOD.format("halve"))
    (orphan,) = InMemory(entry_points=f"[calibench]\nacme = {point.value}\n").entry_points
    assert only(discover([orphan])).distribution == "unknown"


def test_an_entry_point_file_that_cannot_be_read_stops_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv(BLOCK_VARIABLE, raising=False)
    for name, group in (("ours", "calibench"), ("unrelated", "somebody_else")):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\nno equals sign\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = discover()
    assert [(p.name, p.status) for p in found.broken()] == [("ours", "broken")]
    assert "entry_points.txt cannot be read" in found.broken()[0].error
    assert found.default("method").spec.name == "ce"


def test_interrupting_an_import_interrupts(plugin):
    with pytest.raises(KeyboardInterrupt):
        discover(plugin("acme", "raise KeyboardInterrupt"))


def test_the_rest_works_and_a_name_that_is_missing_names_the_broken(plugin):
    found = discover([*plugin("bad", "import no_such_module"), *plugin("good", GOOD.format("halve"))])
    assert found.get("method", "halve")
    with pytest.raises(InputError, match=r"plugin 'bad' \(bad-dist 1.2, .*\) failed to load") as error:
        found.get("method", "halv")
    assert error.value.hint == "did you mean 'halve'?"


# --- faults: names would be ambiguous or hooks dead -----------------------------------------------------------------


def test_a_misspelt_hook(plugin):
    source = GOOD.format("halve").replace("def calibench_methods", "def calibench_method")
    error = fault(discover(plugin("acme", source)))
    assert "plugin 'acme' (acme-dist 1.2, " in error.message
    assert "the hook 'calibench_method', which does not exist" in error.message
    assert "did you mean 'calibench_methods'?" in error.hint
    assert f"{BLOCK_VARIABLE}=acme" in error.hint


def test_a_hook_without_the_marker(plugin):
    error = fault(discover(plugin("acme", "def calibench_methods(): return []")))
    assert "'acme' (acme-dist 1.2" in error.message
    assert "without the marker" in error.message
    assert "@calibench.hookimpl" in error.hint


def test_a_hook_with_arguments_that_do_not_exist(plugin):
    source = GOOD.format("halve").replace("def calibench_methods()", "def calibench_methods(config)")
    error = fault(discover(plugin("acme", source)))
    assert "plugin 'acme' (acme-dist 1.2" in error.message
    assert "config" in error.message
    assert "\n" not in error.message


def test_two_plugins_with_one_item_name_both(plugin):
    found = discover([*plugin("acme", GOOD.format("halve")), *plugin("bond", GOOD.format("halve"))])
    error = fault(found)
    assert "plugin 'bond' (bond-dist 1.2" in error.message
    assert "plugin 'acme' (acme-dist 1.2" in error.message
    assert "the method 'halve'" in error.message
    assert f"{BLOCK_VARIABLE}=bond or {BLOCK_VARIABLE}=acme" in error.hint


def test_one_name_may_stand_in_two_families(plugin):
    source = GOOD.format("halve") + (
        "\n@calibench.hookimpl\ndef calibench_noises():\n"
        "    return [calibench.NoiseSpec(name='halve', target='a:B', summary='A test.')]\n"
    )
    found = discover(plugin("acme", source))
    assert not found.faults
    assert found.get("noise", "halve") != found.get("method", "halve")


def test_one_plugin_with_one_name_twice(plugin):
    error = fault(discover(plugin("acme", HOOK + f"return [{SPEC}), {SPEC})]")))
    assert "plugin 'acme'" in error.message
    assert "offers the method 'x' twice" in error.message


def test_two_plugins_of_one_name_name_both(plugin):
    points = [*plugin("acme", GOOD.format("a"), dist="one"), *plugin("acme", GOOD.format("b"), dist="two")]
    found = discover(points)
    error = fault(found)
    assert "(one 1.2" in error.message
    assert "(two 1.2" in error.message
    assert "another name" in error.hint


def test_one_module_from_two_distributions_names_both(plugin):
    """A copied template whose entry point was not renamed: which of the two is meant?"""
    points = plugin("acme", GOOD.format("halve"), dist="one")
    error = fault(discover([*points, *plugin("acme", None, dist="two", module=points[0].value)]))
    assert "(one 1.2" in error.message
    assert "(two 1.2" in error.message


def test_one_module_under_two_names_names_both(plugin):
    points = plugin("acme", GOOD.format("halve"))
    error = fault(discover([*points, *plugin("bond", None, module=points[0].value)]))
    assert "'acme'" in error.message
    assert "'bond'" in error.message


def test_two_defaults_name_both(plugin):
    claim = GOOD.replace("summary=", "default=True, summary=").replace("calibrator", "objective")
    error = fault(discover([*plugin("acme", claim.format("a")), *plugin("bond", claim.format("b"))]))
    assert "both claim the default method" in error.message
    assert "'acme'" in error.message
    assert "'bond'" in error.message


def test_registry_raises_what_discover_collects(plugin, monkeypatch):
    points = plugin("acme", "def calibench_methods(): return []")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points)
    plugins.registry.cache_clear()
    try:
        with pytest.raises(PluginError, match="without the marker"):
            plugins.registry()
    finally:
        plugins.registry.cache_clear()


# --- blocking -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", ["bad", " bad ,", "bad,good"])
def test_blocking_by_name(plugin, monkeypatch, names):
    points = [*plugin("bad", "raise SystemExit"), *plugin("good", GOOD.format("halve"))]
    monkeypatch.setenv(BLOCK_VARIABLE, names)
    found = discover(points)
    assert found.plugins[0].status == "blocked"
    assert BLOCK_VARIABLE in found.plugins[0].error
    assert not found.broken()
    assert bool(found.entries) == ("good" not in names)


@pytest.mark.parametrize("source", ["def calibench_methods(): return []", GOOD.format("halve")])
def test_blocking_one_side_of_a_fault_mends_it(plugin, monkeypatch, source):
    points = [*plugin("acme", GOOD.format("halve")), *plugin("bond", source)]
    assert discover(points).faults
    monkeypatch.setenv(BLOCK_VARIABLE, "bond")
    found = discover(points)
    assert not found.faults
    assert found.get("method", "halve").plugin.name == "acme"


def test_a_blocked_plugin_is_never_imported(plugin, monkeypatch):
    points = plugin("acme", GOOD.format("halve"))
    monkeypatch.setenv(BLOCK_VARIABLE, "acme")
    discover(points)
    assert points[0].value not in sys.modules


def test_blocking_an_unknown_name_warns_with_the_nearest(plugin, monkeypatch):
    monkeypatch.setenv(BLOCK_VARIABLE, "acne")
    with pytest.warns(CalibenchWarning, match="'acne', which is no plugin here; did you mean 'acme'?"):
        discover(plugin("acme", GOOD.format("halve")))


# --- defaults and lookups -------------------------------------------------------------------------------------------


def test_defaults(monkeypatch):
    monkeypatch.delenv(BLOCK_VARIABLE, raising=False)
    found = discover()
    names = {family: found.default(family).spec.name for family in ("method", "dataset", "model")}
    assert names == {"method": "ce", "dataset": "digits", "model": "mlp"}
    for family in ("noise", "metric"):
        with pytest.raises(InputError, match=f"no plugin offers a default {family}"):
            found.default(family)
    with pytest.raises(InputError, match="no plugin offers a default dataset"):
        Registry().default("dataset")


def test_lookups(monkeypatch):
    monkeypatch.delenv(BLOCK_VARIABLE, raising=False)
    found = discover()
    with pytest.raises(InputError, match="there is no method called 'vtsst'") as error:
        found.get("method", "vtsst")
    assert error.value.hint == "did you mean 'vtst'?"
    with pytest.raises(InputError) as error:
        found.get("noise", "zzzz")
    assert error.value.hint == "known: asymmetric, cifar100n, cifar10n, given, instance, pairflip, symmetric"
    with pytest.raises(InputError) as error:
        Registry().get("noise", "symmetric")
    assert error.value.hint == "there is none to choose from"
    assert [e.spec.name for e in found.all("model")] == ["mlp", "cnn", "frozen", "resnet", "timm", "vit", "wrn"], (
        "the default first"
    )


def test_a_target_that_cannot_be_had_says_whose_it_is(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "half_there.py").write_text("import no_such_dependency")
    for target in ("half_there:X", "json:NoSuch", "no_such_module_at_all:X"):
        spec = calibench.NoiseSpec(name="x", target=target, summary="A test.")
        with pytest.raises(PluginError, match="noise 'x' cannot be loaded: ") as error:
            spec.load()
        assert target in error.value.hint


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"type": "int", "default": "3"}, "not of type 'int'"),
        ({"type": "int", "default": True}, "not of type 'int'"),
        ({"type": "int", "default": 1.5}, "not of type 'int'"),
        ({"type": "float", "default": "x"}, "not of type 'float'"),
        ({"type": "bool", "default": 1}, "not of type 'bool'"),
        ({"type": "ints", "default": 3}, "not of type 'ints'"),
        ({"type": "int", "default": 0, "minimum": 1}, "outside"),
        ({"type": "float", "default": float("nan")}, "outside"),
        ({"type": "str", "default": "c", "choices": ("a", "b")}, "outside"),
        ({"type": "complex", "default": 1}, "type 'complex'"),
        ({"type": "int", "default": 1, "meaning": ""}, "no meaning"),
    ],
)
def test_a_parameter_is_checked_when_it_is_declared(given, error):
    with pytest.raises(PluginError, match=error):
        calibench.Param(**{"key": "k", "meaning": "m", **given})


def test_a_default_is_what_reading_it_would_give():
    """Or else `x` and `x:rate=1` would be two runs of one thing."""
    rate = calibench.Param("rate", "float", 1, "m").default
    assert (rate, type(rate)) == (1.0, float)
    assert calibench.Param("sizes", "ints", [128, 64], "m").default == (128, 64)
    assert calibench.Param("path", "path", calibench.REQUIRED, "m").default is calibench.REQUIRED


# --- who may import whom --------------------------------------------------------------------------------------------


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it; `from a import b` counts as a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


CORE = sorted((ROOT / "benchmark" / "calibench").rglob("*.py"))
OURS = sorted(p for p in (ROOT / "plugins").rglob("*.py") if "tests" not in p.parts)
INSIDE = (
    "api",
    "bench",
    "cache",
    "cli",
    "config",
    "evaluation",
    "leaderboard",
    "moved",
    "plugins",
    "processes",
    "progress",
    "recipe",
    "records",
    "report",
    "runs",
)


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_core_knows_no_plugin_by_name(path):
    text = path.read_text(encoding="utf-8")
    for name in ("calibench_methods", "calibench_datasets"):
        assert not [module for module in imports(path) if module.split(".")[0] == name]
        assert f"{name}." not in text, "not even in a string that importlib may get"
        assert f"{name}:" not in text


@pytest.mark.parametrize("path", OURS, ids=lambda p: str(p.relative_to(ROOT)))
def test_plugins_import_the_public_part_alone(path):
    inner = {f"calibench.{name}" for name in INSIDE}
    assert not [m for m in imports(path) if ".".join(m.split(".")[:2]) in inner]


def test_every_hook_has_a_family():
    families = [spec.family for spec in HOOKS.values()]
    assert len(set(families)) == len(families)
    assert "" not in families
