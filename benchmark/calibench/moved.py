"""Import paths of earlier versions that plugins may use: each still works, and warns where its content is now."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "calibench.data.noisy": "calibench.data.noise",
    "calibench.decisions": "calibench.outputs.decisions",
    "calibench.hookspecs": "calibench.plugins.hookspecs",
    "calibench.models.training": "calibench.training",
    "calibench.specs": "calibench.plugins.specs",
}


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
        """Warn, and put the module of the new name where `import` looks for the old one."""
        new = MOVED[module.__name__]
        warnings.warn(f"{module.__name__} has moved to {new}", DeprecationWarning, stacklevel=2)
        sys.modules[module.__name__] = importlib.import_module(new)


def install() -> None:
    """Let `import` find moved modules. calibench calls it once, when it is imported."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.append(_Moved())
