"""Ranks: the processes that torchrun starts, one a GPU or one a share of the cores, which train one network together.

All walk through the same program with the same seeds, so that all draw the same batches. Of each batch a rank takes its part,
and gradients are added up weighted by rows: the step is that of one process, but for rounding. DistributedDataParallel
would average processes alike, which is wrong for a batch that does not divide evenly. Rank 0 alone reads and writes files.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from torch import distributed

from calibench.errors import InputError, RunError
from calibench.lazy import torch
from calibench.seeds import derived_seed

T = TypeVar("T")

PATIENCE = datetime.timedelta(days=1)
"""How long a rank waits for another, as for rank 0 while it refits a head; torchrun ends all of them when one fails."""


class Processes:
    """This process as number `rank` of `size`; alone, everything here does nothing."""

    def __init__(self, rank: int = 0, size: int = 1, device: str = "cpu") -> None:
        self.rank, self.size, self.device = rank, size, device
        self.step = 0
        """Of the training under way; every rank's own draws depend on it."""

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which reads and writes."""
        return self.rank == 0

    def part(self, n: int) -> slice:
        """This rank's part of n rows; the parts of all processes follow one another and differ by one row at most."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def gathered(self, mine: torch.Tensor, n: int) -> torch.Tensor:
        """All n rows, of which `mine` are this rank's `part`, on every rank."""
        if self.size == 1:
            return mine
        longest = -(-n // self.size)
        padded = mine.new_zeros(longest, *mine.shape[1:])
        padded[: len(mine)] = mine
        found = [torch.empty_like(padded) for _ in range(self.size)]
        with _talking():
            distributed.all_gather(found, padded)
        sizes = [n * (rank + 1) // self.size - n * rank // self.size for rank in range(self.size)]
        return torch.cat([rows[:size] for rows, size in zip(found, sizes, strict=True)])

    def same(self, value: T) -> T:
        """Rank 0's value, on every rank."""
        if self.size == 1:
            return value
        held = [value]
        with _talking():
            distributed.broadcast_object_list(held, src=0, device=torch.device(self.device))
        return held[0]

    def share(
        self, loss: Callable[[], torch.Tensor], idle: Callable[[], torch.Tensor], mine: int, rows: int
    ) -> torch.Tensor:
        """This rank's part of the mean loss of `rows` rows: `loss()`, the mean of its own, weighted; `idle()` where it has none.

        What `loss` draws at random, as dropout does, each rank draws for itself.
        """
        if self.size == 1:
            return loss()
        with torch.random.fork_rng([torch.cuda.current_device()] if self.device == "cuda" else []):
            torch.manual_seed(derived_seed(torch.initial_seed(), f"rank {self.rank}, step {self.step}"))
            return loss() * (mine / rows) if mine else idle() * 0.0

    def total(self, x: torch.Tensor) -> torch.Tensor:
        """The sum over processes."""
        if self.size == 1:
            return x
        x = x.detach().clone()
        with _talking():
            distributed.all_reduce(x)
        return x

    def add_gradients(self, parameters: Sequence[torch.Tensor]) -> None:
        """Every parameter's gradient becomes its sum over processes."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.size == 1 or not gradients:
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        with _talking():
            distributed.all_reduce(flat)
        for gradient, summed in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(summed.view(gradient.shape))

    @contextlib.contextmanager
    def first_alone(self) -> Iterator[None]:
        """Rank 0 goes through the block before the others do, as for a download."""
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
def _talking() -> Iterator[None]:
    """RunError in place of what a transport says when the other end is gone."""
    try:
        yield
    except RuntimeError as error:
        message = f"another process of this run is gone ({str(error).splitlines()[0][:120]})"
        raise RunError(message, "what it said itself is the reason") from error


ALONE = Processes()


def joined(device: str) -> Processes:
    """The processes that torchrun's environment speaks of, joined now if they are not yet; `ALONE` without torchrun.

    They talk by NCCL on CUDA, where each has the GPU of its local rank, and by gloo on a CPU.
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
        distributed.init_process_group("nccl" if device == "cuda" else "gloo", timeout=PATIENCE)
        atexit.register(_leave)
    return Processes(distributed.get_rank(), distributed.get_world_size(), device)


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def pick_device(device: str) -> str:
    """`auto` is cuda where torch has one, else cpu; InputError for a device that is not there."""
    available = torch.cuda.is_available()
    if device == "auto":
        return "cuda" if available else "cpu"
    if device not in {"cpu", "cuda"}:
        raise InputError(f"device {device!r} is not auto, cpu or cuda", "leave it out for auto")
    if device == "cuda" and not available:
        raise InputError("device cuda: torch sees no CUDA device", "use --device cpu, or install a CUDA build of torch")
    return device
