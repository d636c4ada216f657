"""Whether code seeds torch's global generator: it may draw from it, which moves it on, and may not set it to an earlier place."""

from __future__ import annotations

from typing import Any, NamedTuple

from calibench.lazy import np, torch

BLOCK = 624
"""Numbers of 32 bits that the generator (mt19937) makes at once."""

BLOCKS = 16
"""A place is known up to so many blocks behind a seed."""


class TorchState(NamedTuple):
    """The seed of the global generator, and its whole state as bytes."""

    seed: int
    state: bytes


def torch_state() -> TorchState:
    """The state of the global generator on the CPU."""
    return TorchState(torch.initial_seed(), torch.get_rng_state().numpy().tobytes())


def reseeded(before: TorchState, after: TorchState) -> bool:
    """True if the generator has another seed, or the same one and fewer draws since then than before."""
    if before.seed != after.seed:
        return True
    if before.state == after.state:
        return False
    now = _draws(after)
    if now is None:
        return False
    then = _draws(before)
    return then is None or now < then


def _draws(state: TorchState) -> int | None:
    """The draws of 32 bits since the generator was seeded; None for many."""
    generator = torch.Generator().manual_seed(state.seed)
    wanted = _words(state.state)
    for number in range(BLOCKS):
        if number:
            torch.rand(1 if number == 1 else BLOCK, generator=generator)
        words = _words(generator.get_state().numpy().tobytes())
        if np.array_equal(words[3 : 3 + BLOCK], wanted[3 : 3 + BLOCK]):
            return number * BLOCK + int(wanted[2])
    return None


def _words(state: bytes) -> Any:
    """The state as whole numbers: the seed, two flags, the place in the block, and the block."""
    return np.frombuffer(state, dtype=np.uint64, count=3 + BLOCK)
