"""A training kept on disk between epochs, so that the same command goes on from there after a kill, to the same last digit.

One file: 64 hexadecimal digits of SHA-256, then safetensors. It holds all that decides what follows: weights, optimiser,
running mean, the checkpoint kept so far, the objective's own state, the random generators, and the epochs done.
"""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from calibench.atomic import replacing
from calibench.cache.stage_cache import StageCache
from calibench.errors import CalibenchNote, CalibenchWarning, InputError, RunError

SECONDS = 30.0
"""Least time between two writes. A network of 36 million weights is some 600 MB with its optimiser, written in 1 to 2 s."""

VARIABLE = "CALIBENCH_CHECKPOINT_SECONDS"
_DIGITS = 64


def interval() -> float:
    """Seconds between two writes, from the environment where it says; InputError where that is no number from 0 up."""
    text = os.environ.get(VARIABLE, "")
    try:
        seconds = float(text) if text else SECONDS
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise InputError(f"{VARIABLE}={text} is no number of seconds", "0 writes after every epoch")
    return seconds


class Resume:
    """Where one training is kept on the way. `usable` False ignores what is there already."""

    def __init__(self, path: Path, *, usable: bool = True, told: list[str] | None = None) -> None:
        self.path, self.usable = path, usable
        self.told = [] if told is None else told
        self.interval = interval()
        self.began = self.wrote = time.perf_counter()
        self.before = 0.0
        self.failed = self.claimed = False

    @classmethod
    def of(cls, cache: StageCache, stage: str, key: str) -> Resume | None:
        """That of a stage's product; None where nothing is kept."""
        place = cache.unfinished(stage, key)
        return None if place is None else cls(place[0], usable=place[1], told=cache.resumed)

    def claim(self) -> Resume | None:
        """Itself, to the first that asks: a second training of the same stage must not go on from the first."""
        if self.claimed:
            return None
        self.claimed = True
        return self

    def read(self) -> dict[str, torch.Tensor] | None:
        """What was kept, or None; a file that is damaged is said to be, and ignored."""
        if not self.usable:
            return None
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            warnings.warn(f"{self.path} is ignored: {error.strerror or error}", CalibenchWarning, stacklevel=2)
            return None
        try:
            if hashlib.sha256(content[_DIGITS:]).hexdigest().encode() == content[:_DIGITS]:
                held: dict[str, torch.Tensor] = load(content[_DIGITS:])
                self.before = float(held["seconds"])
                return held
        except SafetensorError:
            pass
        message = f"{self.path} is damaged and was ignored: the training starts from the beginning"
        warnings.warn(message, CalibenchWarning, stacklevel=2)
        return None

    def tell(self, what: str, epoch: int, epochs: int) -> None:
        """Say that `what` goes on after so many epochs."""
        self.told.append(f"{what}: epoch {epoch} of {epochs}")
        warnings.warn(f"{what}: resumed from epoch {epoch} of {epochs}", CalibenchNote, stacklevel=2)

    @property
    def seconds(self) -> float:
        """Spent on this training so far, in earlier processes too, up to what they kept."""
        return self.before + time.perf_counter() - self.began

    def due(self) -> bool:
        """Whether the last write is long enough ago for another."""
        return time.perf_counter() - self.wrote >= self.interval

    def write(self, state: Mapping[str, torch.Tensor]) -> None:
        """Keep the state in place of the last; a disk that is full is said once, and the training goes on."""
        held = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
        content = save({**held, "seconds": torch.tensor(self.seconds, dtype=torch.float64)})
        try:
            with replacing(self.path) as temporary:
                temporary.write_bytes(hashlib.sha256(content).hexdigest().encode() + content)
        except RunError as error:
            if not self.failed:
                warnings.warn(f"{error.message}; the training goes on without", CalibenchWarning, stacklevel=2)
            self.failed = True
        self.wrote = time.perf_counter()

    def remove(self) -> None:
        """The product is there: nothing is left to go on from."""
        self.path.unlink(missing_ok=True)
