"""Counts dispatched operators, and reads of the logits by torch and numpy, while a call runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def _looks_only(func: Any) -> bool:
    """Views and allocations read no number."""
    name = func._schema.name.partition("::")[2]
    return bool(func.is_view) or name.startswith(("new_", "empty")) or name.endswith("_like")


class Reads:
    """Counts dispatched operators, and those of them (and of numpy's functions) that read `elements` numbers or more."""

    def __init__(self, elements: int) -> None:
        self.elements = elements
        self.calls = 0
        self.passes = 0

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Counts what happens inside."""
        import torch
        from torch.utils._python_dispatch import TorchDispatchMode
        from torch.utils._pytree import tree_leaves

        reads = self
        array = _counting_array(reads)
        plain = torch.Tensor.numpy

        class Dispatched(TorchDispatchMode):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                reads.calls += 1
                given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
                if not _looks_only(func) and any(each.numel() >= reads.elements for each in given):
                    reads.passes += 1
                return func(*args, **(kwargs or {}))

        def numpy(tensor: torch.Tensor, **options: Any) -> Any:
            found = plain(tensor, **options)
            return found.view(array) if found.size >= reads.elements else found

        torch.Tensor.numpy = numpy  # type: ignore[method-assign, assignment]
        try:
            with Dispatched():
                yield
        finally:
            torch.Tensor.numpy = plain  # type: ignore[method-assign]


def _counting_array(reads: Reads) -> type:
    """An ndarray that notes every ufunc, function and copy it is given to, and passes itself on to results as large."""
    import numpy as np
    from torch.utils._pytree import tree_leaves

    def bare(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(bare(each) for each in value)
        return value.view(np.ndarray) if isinstance(value, Counted) else value

    def note(given: Any) -> None:
        """A pass, if one of the arrays is large: rows picked from one keep its class, and are not."""
        reads.passes += any(isinstance(each, Counted) and each.size >= reads.elements for each in tree_leaves(given))

    def kept(value: Any) -> Any:
        large = type(value) is np.ndarray and value.size >= reads.elements
        return value.view(Counted) if large else value

    class Counted(np.ndarray):
        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
            note((inputs, options))
            outs = options.get("out")
            found = getattr(ufunc, method)(*bare(inputs), **{key: bare(value) for key, value in options.items()})
            return outs[0] if outs is not None else kept(found)

        def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
            note((args, kwargs))
            return kept(func(*bare(args), **{key: bare(value) for key, value in kwargs.items()}))

        def copy(self, *args: Any) -> Any:
            note(self)
            return kept(self.view(np.ndarray).copy(*args))

        def astype(self, *args: Any, **options: Any) -> Any:
            note(self)
            return kept(self.view(np.ndarray).astype(*args, **options))

    return Counted
