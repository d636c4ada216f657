"""numpy, torch and scipy's ndimage, imported when they are first used: importing torch takes seconds, listing names needs none.

A module that is imported in order to list names takes them from here (`from calibench.lazy import nn, np, torch`). All other
modules import them as usual.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch
    from scipy import ndimage
    from torch import nn
    from torch.nn import functional
else:

    class _Lazy(ModuleType):
        """Stands for the module of its name, and imports it when an attribute is first asked for."""

        def __getattr__(self, name: str) -> Any:
            value = getattr(importlib.import_module(self.__name__), name)
            setattr(self, name, value)  # so that the next use is as fast as with the module itself
            return value

    np, torch, ndimage = _Lazy("numpy"), _Lazy("torch"), _Lazy("scipy.ndimage")
    nn, functional = _Lazy("torch.nn"), _Lazy("torch.nn.functional")

__all__ = ["exports", "functional", "ndimage", "nn", "np", "torch"]


def exports(
    package: str, modules: Mapping[str, tuple[str, ...]], otherwise: Callable[[str, str], Any] | None = None
) -> Callable[[str], Any]:
    """A `__getattr__` for a package: the names of `modules` (module -> names), each imported when it is first used.

    `otherwise(package, name)` is asked for all other names.
    """
    module_of = {name: module for module, names in modules.items() for name in names}

    def attribute(name: str) -> Any:
        if name in module_of:
            return getattr(importlib.import_module(module_of[name]), name)
        if otherwise is not None:
            return otherwise(package, name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return attribute
