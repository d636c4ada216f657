"""numpy and torch, imported when they are first used: describing a plugin must not take the seconds that torch takes.

A module that is imported to list what there is takes them from here (`from calibench.lazy import nn, np, torch`); all others
import them as usual.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional
else:

    class _Lazy(ModuleType):
        """Stands for the module of its name, and imports it when an attribute is first asked for."""

        def __getattr__(self, name: str) -> Any:
            return getattr(importlib.import_module(self.__name__), name)

    np, torch = _Lazy("numpy"), _Lazy("torch")
    nn, functional = _Lazy("torch.nn"), _Lazy("torch.nn.functional")

__all__ = ["functional", "nn", "np", "torch"]
