"""For authors of plugins: find the descriptions in a package's folders, so that adding one is adding a file."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TypeVar

from calibench.plugins.specs import Spec

S = TypeVar("S", bound=Spec)


def specs_in(package: str, kind: type[S]) -> list[S]:
    """Every `SPEC`, and every item of `SPECS`, of the modules in a package's folder, the default first, then in the order of
    `place`, which metrics have, and of names.

    All modules of the folder are imported, so none may import anything heavy at its top: `calibench.lazy` has numpy and
    torch for them. What is not of `kind` raises TypeError, which makes the plugin a broken one.
    """
    found: list[S] = []
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        content = importlib.import_module(f"{package}.{module.name}")
        found += [*getattr(content, "SPECS", ()), *([content.SPEC] if hasattr(content, "SPEC") else [])]
    odd = next((spec for spec in found if not isinstance(spec, kind)), None)
    if odd is not None:
        raise TypeError(f"{package} holds {odd!r}, not a {kind.__name__}")
    return sorted(found, key=lambda spec: (not spec.default, getattr(spec, "place", 0), spec.name))
