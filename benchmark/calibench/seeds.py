"""Seeds: one number from the user becomes a random stream of its own for every purpose."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping

from calibench.lazy import torch

PURPOSES = ("stage1", "stage2", "sampling", "posthoc")
"""Purposes of a run's seed, each with its own stream."""


def derived_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose of a run, from SHA-256 of both, so that no two purposes share a stream."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "big") >> 1


def member_seed(seed: int, member: int) -> int:
    """The seed of an ensemble's member. Member 0 has the run's own, so that a run without the ensemble shares its training."""
    return seed if member == 0 else derived_seed(seed, f"member {member}")


def noise_seed(seed: int, split: str = "train") -> int:
    """The seed from which the label noise of a split is drawn, derived from the run's seed."""
    return derived_seed(seed, "noise" if split == "train" else f"noise {split}")


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generators inside the block, and restore their state after it."""
    # One device: torch warns of a fork of several, as where torchrun gives each process its own.
    with torch.random.fork_rng([torch.cuda.current_device()] if torch.cuda.is_available() else []):
        torch.manual_seed(seed)
        yield


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """The state of torch's global generators as tensors: `cpu`, and `cuda` if the device is one."""
    state = {"cpu": torch.get_rng_state()}
    return state if device.type != "cuda" else state | {"cuda": torch.cuda.get_rng_state(device)}


def restore_random_state(state: Mapping[str, torch.Tensor], device: torch.device) -> None:
    """Restore the state that `random_state` returned."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
