"""Seeds: one number from the user becomes a stream of its own for every purpose."""

from __future__ import annotations

import hashlib

PURPOSES = ("stage1", "stage2", "sampling", "posthoc")


def derived_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose of a run, from SHA-256 of both, so that no two uses share a stream."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "big") >> 1


def member_seed(seed: int, member: int) -> int:
    """The seed of an ensemble's member: the run's own for member 0, whose training a run without the ensemble shares."""
    return seed if member == 0 else derived_seed(seed, f"member {member}")
