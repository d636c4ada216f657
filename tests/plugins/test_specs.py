"""Specs and parameters: each is checked when it is declared, and a target that cannot be loaded is named."""

from __future__ import annotations

import pytest

import calibench
from calibench import MethodSpec, specs_in
from calibench.errors import PluginError


def test_a_target_that_cannot_be_loaded_is_named(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "half_there.py").write_text("import no_such_dependency")
    for target in ("half_there:X", "json:NoSuch", "no_such_module_at_all:X"):
        spec = calibench.NoiseSpec(name="x", target=target, summary="A test.")
        with pytest.raises(PluginError, match="noise 'x' cannot be loaded: ") as error:
            spec.load()
        assert target in error.value.hint


@pytest.mark.parametrize(
    ("fields", "error"),
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
def test_a_parameter_is_checked_when_it_is_declared(fields, error):
    with pytest.raises(PluginError, match=error):
        calibench.Param(**{"key": "k", "meaning": "m", **fields})


def test_a_default_is_the_value_that_reading_its_text_gives():
    """Otherwise `x` and `x:rate=1` would be two runs of one thing."""
    rate = calibench.Param("rate", "float", 1, "m").default
    assert (rate, type(rate)) == (1.0, float)
    assert calibench.Param("sizes", "ints", [128, 64], "m").default == (128, 64)
    assert calibench.Param("path", "path", calibench.REQUIRED, "m").default is calibench.REQUIRED


def test_a_folder_with_another_kind_of_spec_names_the_module(tmp_path, monkeypatch):
    package = tmp_path / "spk"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "wrong.py").write_text("SPEC = 5")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TypeError, match=r"spk\.wrong holds 5, not a MethodSpec"):
        specs_in("spk", MethodSpec)
