"""OOD sets: test rows of other datasets, of classes that the network was not trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibench.config.shift_and_ood import OodChoice
from calibench.data.load import load_arrays
from calibench.data.prepare import SPLITS, Data, checked_test_rows, prepare
from calibench.data.splits import overlap, row_hashes
from calibench.errors import InputError

FRACTIONS_END, BYTES_BEGIN = 1.0, 128.0
"""If one set's values end at 1 or below and the other's reach 128 or more, one has images in [0, 1] and the other bytes."""


@dataclass(frozen=True)
class OodSet:
    """Rows `x [m, ...]` float32, their SHA-256, and how many rows were left out because they are also in the data."""

    text: str
    group: str | None
    x: NDArray[np.float32]
    left_out: int
    fingerprint: str


def load_ood(choices: Sequence[OodChoice], data: Data) -> list[OodSet]:
    """The test rows of every set; InputError, before any training, for a set that cannot be judged against these data.

    If a set has no test split, its rows are those that a run on it would hold out for test. Rows whose content is in the
    data are left out and counted; more than half of the set is an error.
    """
    if choices and data.labels_per_sample > 1:
        message = f"OOD scores are of one class a row; rows of these data have {data.labels_per_sample} labels each"
        raise InputError(message, "leave --ood out")
    if not choices:
        return []
    hashes = np.concatenate([row_hashes(getattr(data, name).x) for name in SPLITS])
    return [_load(choice, data, hashes) for choice in choices]


def _load(choice: OodChoice, data: Data, hashes: NDArray[np.bytes_]) -> OodSet:
    text = choice.bound.text()
    where = f"OOD set {text}"
    x = _test_rows(choice, where)
    shape = data.test.x.shape[1:]
    if x.shape[1:] != shape:
        message = f"{where}: its rows have shape {list(x.shape[1:])}, those of the data {list(shape)}"
        raise InputError(message, "the network takes rows of one shape: use a set that has it, or convert one to .npz")
    if len(shape) > 1:
        _refuse_other_scale(x, data, where)
    repeated, _ = overlap(row_hashes(x), hashes)
    if 2 * len(repeated) > len(x):
        message = f"{where}: {len(repeated)} of its {len(x)} rows are rows of the data"
        raise InputError(message, "an OOD set has none of the classes that the network is trained on")
    x = np.delete(x, repeated, axis=0) if len(repeated) else x
    digest = hashlib.sha256(f"{x.shape}".encode() + np.ascontiguousarray(x).data).hexdigest()
    return OodSet(text, choice.group, x, len(repeated), digest)


def _test_rows(choice: OodChoice, where: str) -> NDArray[np.float32]:
    """The rows of the set's test split, which is held out if it has none; InputError for a share that would do nothing."""
    bound = choice.bound
    arrays = load_arrays(bound)
    x = checked_test_rows(arrays, where)
    shares = {p.key: bound.params[p.key] for p in bound.spec.shared_params()}
    idle = sorted(choice.explicit & (shares.keys() if x is not None else {"val", "cal"}))
    if idle:
        why = "the data brings its own test split" if x is not None else "its test split alone is used"
        raise InputError(f"{where}: {idle[0]}={shares[idle[0]]} would do nothing, {why}", "leave it out")
    return prepare(arrays, shares, frozenset(), where).test.x if x is None else x


def _refuse_other_scale(x: NDArray[np.float32], data: Data, where: str) -> None:
    """InputError if one side has images in [0, 1] and the other bytes: their scale alone would tell them apart."""
    ends = {where: float(x.max()), "the data": float(data.train.x.max())}
    if min(ends.values()) <= FRACTIONS_END and max(ends.values()) >= BYTES_BEGIN:
        reach = ", ".join(f"{name} reaches {end:g}" for name, end in ends.items())
        message = f"{where}: its values and the data's are scaled differently: {reach}"
        raise InputError(message, "scale both to 0 .. 255, or both to [0, 1]")
