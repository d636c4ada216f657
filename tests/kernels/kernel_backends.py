"""Marks that choose the backend of a test, and the check that the number of threads changes no bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
import torch

from calibench import kernels

each_backend = pytest.mark.usefixtures("backend")
fused_only = pytest.mark.usefixtures("fused")  # for positions in a vector, which the reference does not have

NOT_BUILT = f"the fused kernels are not built: {kernels.extension_status().error}"
needs_fused = pytest.mark.skipif(not kernels.extension_status().ops, reason=NOT_BUILT)


def bits(tensors: Iterable[torch.Tensor]) -> list[bytes]:
    """The bytes of each tensor."""
    return [tensor.numpy().tobytes() for tensor in tensors]


def assert_threads_change_nothing(call: Callable[[], Iterable[torch.Tensor]]) -> None:
    """`call()` returns tensors with the same bits for one to four threads, and keeps the number of threads."""
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3, 4):
            kernels.set_threads(count)
            results.append(bits(call()))
            assert torch.get_num_threads() == count == kernels.threads()
    finally:
        kernels.set_threads(threads)
    assert all(result == results[0] for result in results)
