"""The operators for numpy arrays, from `calibench._C`, which needs no torch; and the number of their threads."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import cache, partial
from types import ModuleType
from typing import Any, NamedTuple

from calibench.errors import InputError
from calibench.kernels.signatures import JUDGING_OPS, OPS, kinds
from calibench.kernels.torch_import import when_torch
from calibench.lazy import torch


class NumpyOperators(NamedTuple):
    """The compiled functions of numpy arrays by name; `error` says in one line why some or all are missing."""

    functions: Mapping[str, Callable[..., Any]]
    error: str | None


@cache
def numpy_operators() -> NumpyOperators:
    """Those of the loaded file that fit this package. The first call loads it. Never raises."""
    try:
        module = importlib.import_module("calibench._C")
    except ImportError as problem:
        return NumpyOperators({}, f"calibench._C does not load: {' '.join(str(problem).split())}")
    signatures = getattr(module, "signatures", {})
    fitting = {op for op, signature in {**OPS, **JUDGING_OPS}.items() if signatures.get(op) == kinds(signature)}
    missing = [op for op in (*OPS, *JUDGING_OPS) if op not in fitting]
    error = None
    if missing:
        error = f"calibench._C is stale: rebuild it; it was built from another calibench and lacks {', '.join(missing)}"
    return NumpyOperators({op: module.operators[op] for op in fitting}, error)


def threads() -> int:
    """The number of threads that a kernel for numpy arrays may use; 1 without the compiled kernels."""
    module = _module()
    return int(module.threads()) if module is not None and hasattr(module, "threads") else 1


MOST_THREADS = 4096
"""The process dies where the system cannot start as many threads as OpenMP asks for."""


def set_threads(count: int) -> None:
    """Sets the number of CPU threads of the kernels, for numpy arrays and for tensors: torch's, now or once it is imported.

    At the start it is OMP_NUM_THREADS, or else the number of processors that the process may use. No result depends on it.
    `torch.set_num_threads` sets that of tensors alone. InputError unless it is a whole number from 1.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InputError(
            f"set_threads: the number of threads is {count!r}, not a whole number from 1", "1 is the least"
        )
    if count > MOST_THREADS:
        raise InputError(f"set_threads: {count} threads are more than any machine has", f"use at most {MOST_THREADS}")
    module = _module()
    if module is not None and hasattr(module, "set_threads"):
        module.set_threads(count)
    when_torch(partial(_set_torch_threads, count))


def _set_torch_threads(count: int) -> None:
    torch.set_num_threads(count)


def _module() -> ModuleType | None:
    try:
        return importlib.import_module("calibench._C")
    except ImportError:
        return None
