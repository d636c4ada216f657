"""Seeds: one number from the user becomes a stream of its own for every purpose."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping

from calibench.lazy import torch

PURPOSES = ("stage1", "stage2", "sampling", "posthoc")


def derived_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose of a run, from SHA-256 of both, so that no two uses share a stream."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "big") >> 1


def member_seed(seed: int, member: int) -> int:
    """The seed of an ensemble's member: the run's own for member 0, whose training a run without the ensemble shares."""
    return seed if member == 0 else derived_seed(seed, f"member {member}")


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Where torch's global generators stand, as tensors: the processor's and, on CUDA, the device's."""
    held = {"cpu": torch.get_rng_state()}
    return held if device.type != "cuda" else held | {"cuda": torch.cuda.get_rng_state(device)}


def put_back_random(held: Mapping[str, torch.Tensor], device: torch.device) -> None:
    """Puts back what `random_state` gave."""
    torch.set_rng_state(held["cpu"])
    if "cuda" in held:
        torch.cuda.set_rng_state(held["cuda"], device)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generators inside the block and put back their state after it."""
    # One device: torch warns of a fork of several, as where torchrun gives each process its own.
    with torch.random.fork_rng([torch.cuda.current_device()] if torch.cuda.is_available() else []):
        torch.manual_seed(seed)
        yield
