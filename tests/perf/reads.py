"""Counts the dispatched operators of a call, and its reads of the logits by torch and numpy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def _reads_nothing(func: Any) -> bool:
    """True for views and allocations, which read no number."""
    name = func._schema.name.partition("::")[2]
    return bool(func.is_view) or name.startswith(("new_", "empty")) or name.endswith("_like")


class Reads:
    """Number of dispatched operators, and of those operators and numpy functions that read `elements` numbers or more."""

    def __init__(self, elements: int) -> None:
        self.elements = elements
        self.calls = 0
        self.passes = 0

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Counts the operators of the block."""
        import numpy as np
        import torch
        from torch.utils._python_dispatch import TorchDispatchMode
        from torch.utils._pytree import tree_leaves

        from calibench.kernels import checks, loader

        reads = self
        array = _counting_array(reads)
        original, check, operator_of = torch.Tensor.numpy, checks._check_numpy, loader.numpy_operator

        class Dispatched(TorchDispatchMode):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                reads.calls += 1
                tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
                if not _reads_nothing(func) and any(tensor.numel() >= reads.elements for tensor in tensors):
                    reads.passes += 1
                return func(*args, **(kwargs or {}))

        def numpy(tensor: torch.Tensor, **options: Any) -> Any:
            values = original(tensor, **options)
            return values.view(array) if values.size >= reads.elements else values

        def check_bare(caller: str, name: str, values: Any) -> None:
            check(caller, name, values.view(np.ndarray) if isinstance(values, array) else values)

        def counted_operator(op: str) -> Any:
            """The operator of numpy arrays, which counts as one of torch's does."""
            compiled = operator_of(op)

            def call(*inputs: Any) -> Any:
                reads.calls += 1
                arrays = [leaf for leaf in tree_leaves(inputs) if isinstance(leaf, np.ndarray)]
                reads.passes += any(leaf.size >= reads.elements for leaf in arrays)
                return compiled(*inputs)

            return call

        torch.Tensor.numpy = numpy  # type: ignore[method-assign, assignment]
        checks._check_numpy, loader.numpy_operator = check_bare, counted_operator
        try:
            with Dispatched():
                yield
        finally:
            torch.Tensor.numpy = original  # type: ignore[method-assign]
            checks._check_numpy, loader.numpy_operator = check, operator_of


def _counting_array(reads: Reads) -> type:
    """An ndarray that counts every ufunc, function and copy that reads it; results of its size are such arrays too."""
    import numpy as np
    from torch.utils._pytree import tree_leaves

    def bare(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(bare(item) for item in value)
        return value.view(np.ndarray) if isinstance(value, Counted) else value

    def count_pass(inputs: Any) -> None:
        """Counts a pass if one of the arrays is large. A few rows of a large array have its class, but are no pass."""
        reads.passes += any(isinstance(leaf, Counted) and leaf.size >= reads.elements for leaf in tree_leaves(inputs))

    def counted(value: Any) -> Any:
        large = type(value) is np.ndarray and value.size >= reads.elements
        return value.view(Counted) if large else value

    class Counted(np.ndarray):
        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
            count_pass((inputs, options))
            outs = options.get("out")
            result = getattr(ufunc, method)(*bare(inputs), **{key: bare(value) for key, value in options.items()})
            return outs[0] if outs is not None else counted(result)

        def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
            count_pass((args, kwargs))
            return counted(func(*bare(args), **{key: bare(value) for key, value in kwargs.items()}))

        def copy(self, *args: Any) -> Any:
            count_pass(self)
            return counted(self.view(np.ndarray).copy(*args))

        def astype(self, *args: Any, **options: Any) -> Any:
            count_pass(self)
            return counted(self.view(np.ndarray).astype(*args, **options))

    return Counted
