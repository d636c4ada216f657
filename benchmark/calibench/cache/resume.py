"""A training kept on disk between epochs: after a kill the same command resumes it, and ends at the same last digit.

The file holds 64 hexadecimal digits of SHA-256, then safetensors: weights, optimiser, running mean, the checkpoint kept so
far, the objective's own state, the random generators, and the number of epochs done. Nothing else decides the rest of the training.
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
from calibench.files.regular_file import read_regular
from calibench.plugins.listeners import clock

SECONDS = 30.0
"""Least time between two writes. A network of 36 million weights is some 600 MB with its optimiser, written in 1 to 2 s."""

VARIABLE = "CALIBENCH_CHECKPOINT_SECONDS"
_DIGITS = 64


def interval() -> float:
    """Seconds between two writes, by default 30; InputError if the environment variable is no number from 0 up."""
    text = os.environ.get(VARIABLE, "")
    try:
        seconds = float(text) if text else SECONDS
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise InputError(f"{VARIABLE}={text} is no number of seconds", "0 writes after every epoch")
    return seconds


LARGEST_STATE = 1 << 40
"""Bytes of the state of a training: as large as its network."""


class Resume:
    """The file of one unfinished training. `usable` False ignores an existing file; `log` lists the resumed trainings."""

    def __init__(self, path: Path, *, usable: bool = True, log: list[str] | None = None) -> None:
        self.path, self.usable = path, usable
        self.log = [] if log is None else log
        self.interval = interval()
        self.start, self.last_write = clock(), time.perf_counter()
        self.before = 0.0
        """Seconds that earlier processes spent on this training, up to the state that they kept."""
        self.failed = self.claimed = False

    @classmethod
    def of(cls, cache: StageCache, stage: str, key: str) -> Resume | None:
        """The Resume of a stage's result; None if the cache keeps nothing."""
        unfinished = cache.unfinished(stage, key)
        if unfinished is None:
            return None
        path, usable = unfinished
        return cls(path, usable=usable, log=cache.resumed)

    def claim(self) -> Resume | None:
        """This object for the first caller, None for later ones: a second training of a stage must not resume the first."""
        if self.claimed:
            return None
        self.claimed = True
        return self

    def read(self) -> dict[str, torch.Tensor] | None:
        """The state that was kept, or None; a damaged file is ignored with a warning."""
        if not self.usable:
            return None
        try:
            content = read_regular(self.path, most=LARGEST_STATE)
        except FileNotFoundError:
            return None
        except OSError as error:
            warnings.warn(f"{self.path} is ignored: {error.strerror or error}", CalibenchWarning, stacklevel=2)
            return None
        try:
            if hashlib.sha256(content[_DIGITS:]).hexdigest().encode() == content[:_DIGITS]:
                state: dict[str, torch.Tensor] = load(content[_DIGITS:])
                self.before = float(state["seconds"])
                return state
        except SafetensorError:
            pass
        message = f"{self.path} is damaged and was ignored: the training starts from the beginning"
        warnings.warn(message, CalibenchWarning, stacklevel=2)
        return None

    def announce(self, what: str, epoch: int, epochs: int) -> None:
        """Note that `what` was resumed after `epoch` of `epochs`, for the record and on the terminal."""
        self.log.append(f"{what}: epoch {epoch} of {epochs}")
        warnings.warn(f"{what}: resumed from epoch {epoch} of {epochs}", CalibenchNote, stacklevel=2)

    @property
    def seconds(self) -> float:
        """Seconds spent on this training so far, in earlier processes too."""
        return self.before + clock() - self.start

    def due(self) -> bool:
        """True if `interval()` seconds have passed since the last write."""
        return time.perf_counter() - self.last_write >= self.interval

    def write(self, state: Mapping[str, torch.Tensor]) -> None:
        """Replace the kept state. A full disk is warned of once, and the training goes on."""
        tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
        content = save({**tensors, "seconds": torch.tensor(self.seconds, dtype=torch.float64)})
        try:
            with replacing(self.path) as temporary:
                temporary.write_bytes(hashlib.sha256(content).hexdigest().encode() + content)
        except RunError as error:
            if not self.failed:
                warnings.warn(f"{error.message}; the training goes on without", CalibenchWarning, stacklevel=2)
            self.failed = True
        self.last_write = time.perf_counter()

    def remove(self) -> None:
        """Remove the file: the result is complete."""
        self.path.unlink(missing_ok=True)
