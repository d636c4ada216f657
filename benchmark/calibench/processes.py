"""The processes that torchrun starts, one a GPU or one a share of the cores, which train one network together.

All run the same program with the same seeds, so that all draw the same batches. Each process takes its part of a batch.
Gradients are summed weighted by rows, so the step equals that of one process except for rounding. DistributedDataParallel
averages processes with equal weights, which is wrong for a batch that does not divide evenly. Every process reads the data;
only the first one (RANK 0) reads and writes the results folder.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from torch import distributed

from calibench.errors import InputError, RunError
from calibench.lazy import torch
from calibench.seeds import derived_seed

T = TypeVar("T")

PATIENCE = datetime.timedelta(days=1)
"""The longest wait of a process for another, such as the first, which refits a head. torchrun ends all processes when one fails."""


class Processes:
    """This process as number `rank` of `size`. With a single process every method does nothing."""

    def __init__(self, rank: int = 0, size: int = 1, device: str = "cpu") -> None:
        self.rank, self.size, self.device = rank, size, device
        self.step = 0
        """The current training step; the random draws of each process depend on it."""

    @property
    def first(self) -> bool:
        """True for the first process (RANK 0), which reads and writes results."""
        return self.rank == 0

    def part(self, n: int) -> slice:
        """This process's part of n rows. The parts of all processes are contiguous and differ by one row at most."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def gathered(self, rows: torch.Tensor, n: int) -> torch.Tensor:
        """All n rows on every process; `rows` are this process's part."""
        if self.size == 1:
            return rows
        longest = -(-n // self.size)
        padded = rows.new_zeros(longest, *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        with _transport():
            distributed.all_gather(parts, padded)
        sizes = [n * (rank + 1) // self.size - n * rank // self.size for rank in range(self.size)]
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    def same(self, value: T) -> T:
        """The first process's value, on every process."""
        if self.size == 1:
            return value
        values = [value]
        with _transport():
            distributed.broadcast_object_list(values, src=0, device=torch.device(self.device))
        return values[0]

    def share(
        self, loss: Callable[[], torch.Tensor], idle: Callable[[], torch.Tensor], part: int, rows: int
    ) -> torch.Tensor:
        """This process's part of the mean loss of `rows` rows: `loss()` over its own `part` rows, weighted by their share.

        A process without rows calls `idle()`, so that it takes part in the gradients' sum. Random draws in `loss`, such as
        dropout, differ between processes.
        """
        if self.size == 1:
            return loss()
        with torch.random.fork_rng([torch.cuda.current_device()] if self.device == "cuda" else []):
            torch.manual_seed(derived_seed(torch.initial_seed(), f"rank {self.rank}, step {self.step}"))
            return loss() * (part / rows) if part else idle() * 0.0

    def total(self, x: torch.Tensor) -> torch.Tensor:
        """The sum over processes."""
        if self.size == 1:
            return x
        x = x.detach().clone()
        with _transport():
            distributed.all_reduce(x)
        return x

    def add_gradients(self, parameters: Sequence[torch.Tensor]) -> None:
        """Replace every parameter's gradient by its sum over processes."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.size == 1 or not gradients:
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        with _transport():
            distributed.all_reduce(flat)
        for gradient, summed in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(summed.view(gradient.shape))

    @contextlib.contextmanager
    def first_alone(self) -> Iterator[None]:
        """The first process runs the block before the others do, as for a download."""
        if self.size == 1:
            yield
            return
        if not self.first:
            distributed.barrier()
        try:
            yield
        finally:
            if self.first:
                distributed.barrier()


@contextlib.contextmanager
def _transport() -> Iterator[None]:
    """RunError in place of the transport's error when another process is gone."""
    try:
        yield
    except RuntimeError as error:
        message = f"another process of this run is gone ({str(error).splitlines()[0][:120]})"
        raise RunError(message, "the message of that process says why") from error


ALONE = Processes()


def joined(device: str) -> Processes:
    """The processes of torchrun's environment, joined now if they are not yet; `ALONE` without torchrun.

    The transport is NCCL on CUDA, where each process has the GPU of its local rank, and gloo on a CPU.
    """
    if "RANK" not in os.environ or os.environ.get("WORLD_SIZE", "1") == "1":
        return ALONE
    if not distributed.is_available():
        raise InputError("this build of torch has no torch.distributed", "run without torchrun")
    if not distributed.is_initialized():
        if device == "cuda":
            local, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
            if local >= gpus:
                raise InputError(
                    f"local rank {local} has no GPU: there are {gpus}", f"torchrun --nproc-per-node {gpus}"
                )
            torch.cuda.set_device(local)
        # The defaults of its functions keep a group that exists at its import, so that nothing could end the group's threads.
        importlib.import_module("torch.distributed.nn.functional")
        distributed.init_process_group("nccl" if device == "cuda" else "gloo", timeout=PATIENCE)
        atexit.register(_leave)
    return Processes(distributed.get_rank(), distributed.get_world_size(), device)


def _leave() -> None:
    """End the transport's threads: one that still frees a tensor while the interpreter ends would abort the process."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def pick_device(device: str) -> str:
    """`cpu` or `cuda`; `auto` is cuda if torch sees a CUDA device. InputError for a device that is not there."""
    available = torch.cuda.is_available()
    if device == "auto":
        return "cuda" if available else "cpu"
    if device not in {"cpu", "cuda"}:
        raise InputError(f"device {device!r} is not auto, cpu or cuda", "leave it out for auto")
    if device == "cuda" and not available:
        raise InputError("device cuda: torch sees no CUDA device", "use --device cpu, or install a CUDA build of torch")
    return device
