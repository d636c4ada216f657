"""For authors of plugins: collect the specs in a package's folder, so that adding a method is adding a file."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TypeVar

from calibench.plugins.specs import Spec

S = TypeVar("S", bound=Spec)


def specs_in(package: str, kind: type[S]) -> list[S]:
    """Every `SPEC`, and every item of `SPECS`, of the modules in a package's folder.

    The default comes first; the others are sorted by `place`, which metrics have, and by name.

    All modules of the folder are imported, so none may import anything heavy at its top: they take numpy and torch from
    `calibench.lazy`. Raises TypeError for a spec of another kind, which marks the plugin as broken.
    """
    specs: list[S] = []
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        content = importlib.import_module(f"{package}.{module.name}")
        found = [*getattr(content, "SPECS", ()), *([content.SPEC] if hasattr(content, "SPEC") else [])]
        stranger = next((spec for spec in found if not isinstance(spec, kind)), None)
        if stranger is not None:
            raise TypeError(f"{content.__name__} holds {stranger!r}, not a {kind.__name__}")
        specs += found
    return sorted(specs, key=lambda spec: (not spec.default, getattr(spec, "place", 0), spec.name))
