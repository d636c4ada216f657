"""Import paths and fields of earlier versions that plugins may use: each still works, and warns with the new name."""

from __future__ import annotations

import contextlib
import importlib
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from calibench.version import API_VERSION

MOVED: dict[str, tuple[str, ...]] = {
    "calibench.data.noisy": ("calibench.data.noise",),
    "calibench.decisions": ("calibench.outputs.decisions",),
    "calibench.hookspecs": ("calibench.plugins.hookspecs",),
    "calibench.models.resume": ("calibench.cache.resume",),
    "calibench.models.schedule": ("calibench.training.schedule",),
    "calibench.models.training": (
        "calibench.training",
        "calibench.seeds",
        "calibench.progress",
        "calibench.cache.resume",
    ),
    "calibench.specs": ("calibench.plugins.specs", "calibench.plugins.params"),
}
"""The modules of today that hold the content of an old one, the main one first."""


def deprecated(what: str, level: int = 2) -> None:
    """Warn that a public name has changed: `what` is a sentence without its full stop, such as `Outputs.a is now b`.

    `level` says whose line the warning names: 2 is the caller of the function that calls this. Every deprecation of calibench
    goes through here, so that each says when the old name goes.
    """
    gone = int(API_VERSION.partition(".")[0]) + 1
    warnings.warn(f"{what}; the old name goes with API {gone}.0", DeprecationWarning, stacklevel=level + 1)


class _Moved:
    """Finds and loads a module by its old name: it puts the module of the new name in its place."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for a name in `MOVED`, else None."""
        return ModuleSpec(fullname, self) if fullname in MOVED else None  # type: ignore[arg-type]  # importlib.abc is slow

    def create_module(self, spec: ModuleSpec) -> None:
        """Let `import` create the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Warn, and put the module of the new name where `import` looks for the old one.

        Of several modules the old one stays, and finds every name in the first module that has it.
        """
        new = MOVED[module.__name__]
        deprecated(f"{module.__name__} has moved to {' and '.join(new)}")
        if len(new) == 1:
            sys.modules[module.__name__] = importlib.import_module(new[0])
        else:
            module.__getattr__ = partial(_first, new)  # type: ignore[method-assign]


def _first(modules: Sequence[str], name: str) -> Any:
    """The attribute of the first module that has it."""
    for module in map(importlib.import_module, modules):
        with contextlib.suppress(AttributeError):
            return getattr(module, name)
    raise AttributeError(f"{' and '.join(modules)} have no attribute {name!r}")


def attribute(package: str, name: str) -> Any:
    """A `__getattr__` for a package whose modules have moved: `calibench.decisions` after `import calibench` alone."""
    if f"{package}.{name}" in MOVED:
        return importlib.import_module(f"{package}.{name}")
    raise AttributeError(f"module {package!r} has no attribute {name!r}")


def renamed(old: str, new: str) -> Any:
    """A property `old` that warns and returns the attribute `new`."""

    def value(self: Any) -> Any:
        deprecated(f"{type(self).__name__}.{old} is now {new}")
        return getattr(self, new)

    return property(value, doc=f"`{new}` by its old name, for plugins of earlier versions.")


def install() -> None:
    """Let `import` find moved modules. calibench calls it once, when it is imported."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.append(_Moved())
