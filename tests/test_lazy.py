"""`calibench.lazy`: an attribute is looked up once, and a package's names are imported when they are first used."""

from __future__ import annotations

import importlib
import sys

import pytest

from calibench import lazy


def test_an_attribute_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """108 000 imports in five evaluations made judging half as slow again."""
    calls: list[str] = []
    real = importlib.import_module
    monkeypatch.setattr(lazy.importlib, "import_module", lambda name: calls.append(name) or real(name))
    module = type(lazy.np)("math")
    assert module.sqrt(9) == module.sqrt(9) == 3
    assert calls == ["math"]


def test_names_of_a_package_load_on_demand() -> None:
    attribute = lazy.exports("somewhere", {"json.tool": ("main",)})
    sys.modules.pop("json.tool", None)
    with pytest.raises(AttributeError, match="module 'somewhere' has no attribute 'other'"):
        attribute("other")
    assert "json.tool" not in sys.modules
    assert callable(attribute("main"))
