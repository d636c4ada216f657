"""Readies the kernels for torch: at once if torch is imported, else at the end of its import."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


def when_torch(ready: Callable[[], object]) -> None:
    """Calls `ready` now if torch is imported, else when it is.

    A program saved by torch.export needs the operators as soon as there is torch, and calls nothing that could load them.
    """
    if sys.modules.get("torch") is not None:
        ready()
    else:
        sys.meta_path.insert(0, _AfterTorch(ready))


class _AfterTorch:
    """Finds torch as the finders behind it do, and adds a call to the end of its import."""

    def __init__(self, ready: Callable[[], object]) -> None:
        self.ready = ready

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of torch; None for every other name."""
        if fullname != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            sys.meta_path.insert(0, self)
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            try:
                execute(module)
            except BaseException:
                sys.meta_path.insert(0, self)
                raise
            self.ready()

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
