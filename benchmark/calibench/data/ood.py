"""OOD sets: test rows of other datasets, whose classes the network was not trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibench.config.grammar import who
from calibench.config.shift_and_ood import OodChoice
from calibench.data.arrays import Arrays
from calibench.data.prepare import SPLITS, Data, given_test, prepare
from calibench.data.splits import overlap, row_hashes
from calibench.errors import InputError, PluginError, blaming

FRACTIONS_END, BYTES_BEGIN = 1.0, 128.0
"""Rows that reach no further than 1 beside rows that reach 128 are pictures scaled to [0, 1] beside bytes."""


@dataclass(frozen=True)
class OodSet:
    """Its rows `x [m, ...]` float32, how many were left out since the data has them too, and a SHA-256 of what is left."""

    text: str
    group: str | None
    x: NDArray[np.float32]
    left_out: int
    fingerprint: str


def load_ood(choices: Sequence[OodChoice], data: Data) -> list[OodSet]:
    """The test rows of every set; InputError for a set that these data cannot be judged against, before any training.

    A set that brings no test split gives the one that a run on it would hold out. Rows of the content of a row of the data
    are left out, and counted; more than half of them is an error.
    """
    if choices and data.labels_per_sample > 1:
        message = f"OOD scores are of one class a row; rows of these data have {data.labels_per_sample} labels each"
        raise InputError(message, "leave --ood out")
    own = np.concatenate([row_hashes(getattr(data, name).x) for name in SPLITS]) if choices else None
    return [_load(choice, data, own) for choice in choices if own is not None]


def _load(choice: OodChoice, data: Data, own: NDArray[np.bytes_]) -> OodSet:
    bound = choice.bound
    where = f"OOD set {bound.text()}"
    with blaming(who(bound)):
        arrays = bound.spec.load()(**bound.own())
    if not isinstance(arrays, Arrays):
        raise PluginError(f"{who(bound)} returned a {type(arrays).__name__}, not calibench.Arrays", "mend the plugin")
    x = given_test(arrays, where)
    shares = {p.key: bound.params[p.key] for p in bound.spec.shared_params()}
    idle = sorted(choice.stated & (shares.keys() if x is not None else {"val", "cal"}))
    if idle:
        why = "the data brings its own test split" if x is not None else "its test split alone is used"
        raise InputError(f"{where}: {idle[0]}={shares[idle[0]]} would do nothing, {why}", "leave it out")
    if x is None:
        x = prepare(arrays, shares, frozenset(), where).test.x
    shape = data.test.x.shape[1:]
    if x.shape[1:] != shape:
        message = f"{where}: its rows have shape {list(x.shape[1:])}, those of the data {list(shape)}"
        raise InputError(message, "the network takes rows of one shape: use a set that has it, or convert one to .npz")
    if len(shape) > 1:
        _refuse_other_scale(x, data, where)
    known, _ = overlap(row_hashes(x), own)
    if 2 * len(known) > len(x):
        message = f"{where}: {len(known)} of its {len(x)} rows are rows of the data"
        raise InputError(message, "an OOD set has none of the classes that the network is trained on")
    x = np.delete(x, known, axis=0) if len(known) else x
    digest = hashlib.sha256(f"{x.shape}".encode() + np.ascontiguousarray(x).data).hexdigest()
    return OodSet(bound.text(), choice.group, x, len(known), digest)


def _refuse_other_scale(x: NDArray[np.float32], data: Data, where: str) -> None:
    """Pictures in [0, 1] beside bytes would be told apart by their scale alone."""
    ends = {where: float(x.max()), "the data": float(data.train.x.max())}
    if min(ends.values()) <= FRACTIONS_END and max(ends.values()) >= BYTES_BEGIN:
        spans = ", ".join(f"those of {name} to {end:g}" for name, end in ends.items())
        message = f"{where}: its values and the data's are scaled differently: {spans}"
        raise InputError(message, "scale both to 0 .. 255, or both to [0, 1]")
