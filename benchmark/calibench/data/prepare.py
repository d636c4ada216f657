"""From a dataset's arrays to four checked splits with a fingerprint, and label noise on the training split alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibench.data.arrays import Arrays, Pair
from calibench.data.checks import Split, check_head, check_rows, count_labels_per_sample, refuse_gaps
from calibench.data.noise import MOST_CLASSES, Noisy, realised_transition
from calibench.data.soft import checked_soft
from calibench.data.splits import hold_out, overlap, row_hashes
from calibench.errors import InputError

SPLITS = ("train", "val", "cal", "test")


@dataclass(frozen=True)
class Data:
    """Four splits, the number of classes, the given head if any, and a SHA-256 fingerprint of all of it."""

    train: Split
    val: Split
    cal: Split
    test: Split
    num_classes: int
    fingerprint: str
    clean_fingerprint: str
    """Before label noise; runs that share it may stand on one board."""
    test_fingerprint: str
    head_weight: NDArray[np.float32] | None = None
    head_bias: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()
    noise: Mapping[str, Any] | None = None
    mislabelled: NDArray[np.bool_] | None = None
    """Which training labels `noise` made wrong, `[n]`; None where no noise was added. For reports, never for training."""
    labels_per_sample: int = 1
    """Q where each row has Q labels, each a question of two classes; 1 where it has one label of `num_classes`."""
    test_soft: NDArray[np.float64] | None = None
    """Shares `[n, K]` of people who gave each label to the rows of test, each row summing to 1."""

    @property
    def num_outputs(self) -> int:
        """Logits that a network gives for a row: one a class, or one a question."""
        return self.labels_per_sample if self.labels_per_sample > 1 else self.num_classes

    def sizes(self) -> dict[str, int]:
        """How many rows each split has."""
        return {name: len(getattr(self, name)) for name in SPLITS}


def prepare(arrays: Arrays, shares: Mapping[str, Any], stated: frozenset[str], where: str) -> Data:
    """Check the arrays, hold out the splits that are missing, and refuse any overlap of content between splits.

    `shares` holds val, cal, test (fractions of the training rows) and split_seed; `stated` are those that the user typed.
    Raises InputError naming `where`, the split and the row.
    """
    given: dict[str, Pair] = {"train": (arrays.x, arrays.y)}
    given |= {name: pair for name in SPLITS[1:] if (pair := getattr(arrays, name)) is not None}
    idle = sorted(stated & set(given))
    if idle:
        raise InputError(
            f"{where}: {idle[0]}={shares[idle[0]]} would do nothing, the data brings its own {idle[0]} split",
            "leave it out",
        )
    splits = {name: check_rows(np.asarray(x), np.asarray(y), f"{where}: {name}") for name, (x, y) in given.items()}
    hashes = {name: row_hashes(split.x) for name, split in splits.items()}
    notes = arrays.notes + (_drop_repeats(splits, hashes) if arrays.repeats == "drop" else ())
    _refuse_leaks(hashes, where)  # here, while row numbers are the user's; what is held out below cannot leak
    missing = [name for name in ("test", "cal", "val") if name not in splits]
    _hold_out_missing(splits, hashes, missing, shares, where)

    weight, bias = check_head(arrays, splits["train"].x, where)
    shapes = {split.x.shape[1:] for split in splits.values()}
    if len(shapes) > 1:
        raise InputError(
            f"{where}: the splits' rows differ in shape: {sorted(shapes)}", "every row must have one shape"
        )
    labels_per_sample = count_labels_per_sample(splits, weight, where)
    largest = max(int(split.y.max()) for split in splits.values()) + 1
    num_classes = 2 if labels_per_sample > 1 else len(weight) if weight is not None else largest
    if largest > num_classes:
        message = f"{where}: a label is {largest - 1}, outside [0, {num_classes})"
        raise InputError(message, f"head_weight has {num_classes} rows, one a class")
    if weight is None and labels_per_sample == 1:
        refuse_gaps(splits, largest, where)
    if labels_per_sample == 1 and len(np.unique(splits["train"].y)) < 2:
        raise InputError(f"{where}: the training labels hold one class", "a classifier needs at least two")
    soft = _check_soft(arrays, splits["test"], num_classes, where)
    fingerprint = _fingerprint(splits, weight, bias, soft)
    return Data(
        train=splits["train"],
        val=splits["val"],
        cal=splits["cal"],
        test=splits["test"],
        num_classes=num_classes,
        fingerprint=fingerprint,
        clean_fingerprint=fingerprint,
        test_fingerprint=_fingerprint({"test": splits["test"]}, soft),
        head_weight=weight,
        head_bias=bias,
        notes=notes,
        labels_per_sample=labels_per_sample,
        test_soft=soft,
    )


def given_test(arrays: Arrays, where: str) -> NDArray[np.float32] | None:
    """The rows of the test split that the arrays bring, checked; None where they bring none."""
    if arrays.test is None:
        return None
    x, y = arrays.test
    return check_rows(np.asarray(x), np.asarray(y), f"{where}: test").x


def with_noisy_labels(
    data: Data, found: Mapping[str, NDArray[np.int64] | Noisy], noise: Mapping[str, Any], where: str
) -> Data:
    """The data with the labels `found` for train and perhaps val; cal and test stay clean.

    `noise` gains the realised share of wrong labels of each split and, of up to 20 classes, the transition matrix that
    was drawn from and the realised one, both of train.
    """
    drawn = {name: one.labels if isinstance(one, Noisy) else one for name, one in found.items()}
    drawn_by = found["train"].transition if isinstance(found["train"], Noisy) else None
    splits = {name: getattr(data, name) for name in SPLITS}
    for name, labels in drawn.items():
        shape = splits[name].y.shape
        if labels.shape != shape or not np.issubdtype(labels.dtype, np.integer):
            raise InputError(f"{where} returned labels of shape {labels.shape} {labels.dtype}, not {shape} integers")
        if labels.min() < 0 or labels.max() >= data.num_classes:
            raise InputError(f"{where} returned a label outside [0, {data.num_classes})")
        splits[name] = replace(splits[name], y=labels.astype(np.int64))
    rates = {name: float((drawn[name] != getattr(data, name).y).mean()) for name in drawn}
    labels, clean = drawn["train"], data.train.y
    realised = {**noise, "realised_rate": rates["train"], "realised_rates": rates}
    if data.num_classes <= MOST_CLASSES:
        realised |= {} if drawn_by is None else {"transition": drawn_by.tolist()}
        realised["realised_transition"] = realised_transition(clean, labels, data.num_classes).tolist()
    fingerprint = _fingerprint(splits, data.head_weight, data.head_bias, data.test_soft)
    changed = {name: splits[name] for name in drawn}
    return replace(data, **changed, fingerprint=fingerprint, noise=realised, mislabelled=labels != clean)


def _hold_out_missing(
    splits: dict[str, Split],
    hashes: dict[str, NDArray[np.bytes_]],
    missing: list[str],
    shares: Mapping[str, Any],
    where: str,
) -> None:
    """Carve `missing` out of train in place; shares are of the rows that train had at first."""
    total = len(splits["train"])
    if sum(shares[name] for name in missing) >= 0.95:
        raise InputError(f"{where}: {' + '.join(missing)} leave less than 5 % for training", "lower the shares")
    rng = np.random.default_rng([int(shares["split_seed"]), 0xCA11])
    for name in missing:
        pool, digests = splits["train"], hashes["train"]
        _, groups = np.unique(digests, return_inverse=True)
        if groups.max() < 2:
            raise InputError(
                f"{where}: there are too few distinct rows to hold out {name}", "give more rows, or the split"
            )
        strata = pool.y if pool.y.ndim == 1 else np.unique(pool.y, axis=0, return_inverse=True)[1].reshape(-1)
        out = hold_out(strata, groups.astype(np.int64), shares[name] * total / len(pool), rng)
        for key, rows in (("train", ~out), (name, out)):
            splits[key] = Split(pool.x[rows], pool.y[rows], pool.ids[rows])
            hashes[key] = digests[rows]


def _drop_repeats(splits: dict[str, Split], hashes: dict[str, NDArray[np.bytes_]]) -> tuple[str, ...]:
    """Leave training rows that another split has too out of train, in place; what the record says of them."""
    notes = []
    for name in [other for other in SPLITS[1:] if other in splits]:
        seen, _ = overlap(hashes["train"], hashes[name])
        if 0 < len(seen) < len(splits["train"]):
            train = splits["train"]
            keep = np.ones(len(train), dtype=bool)
            keep[seen] = False
            splits["train"] = Split(train.x[keep], train.y[keep], train.ids[keep])
            hashes["train"] = hashes["train"][keep]
            notes.append(
                f"{len(seen)} of {len(train)} training rows are also in {name}, to the bit, and were left out of train"
            )
    return tuple(notes)


def _refuse_leaks(hashes: Mapping[str, NDArray[np.bytes_]], where: str) -> None:
    names = [name for name in SPLITS if name in hashes]
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            rows_b, rows_a = overlap(hashes[b], hashes[a])
            if len(rows_b):
                pair = f"row {int(rows_b[0])} of {b} is row {int(rows_a[0])} of {a}"
                message = f"{where}: {len(rows_b)} rows of {b} are also in {a} (first: {pair})"
                raise InputError(message, "a figure on seen rows means nothing: drop them from one of the two")


def _check_soft(arrays: Arrays, test: Split, num_classes: int, where: str) -> NDArray[np.float64] | None:
    """The soft labels of test, if the data bring some."""
    if arrays.test_soft is None:
        return None
    if arrays.test is None or test.y.ndim > 1:
        message = f"{where}: test_soft is for a test split of one label a row"
        raise InputError(message, "give test with it, or leave it out")
    return checked_soft(np.asarray(arrays.test_soft), len(test), num_classes, f"{where}: test_soft")


def _fingerprint(splits: Mapping[str, Split], *parts: NDArray[np.floating[Any]] | None) -> str:
    digest = hashlib.sha256()
    for name in SPLITS:
        if name in splits:
            for array in (splits[name].x, splits[name].y, splits[name].ids):
                digest.update(f"{name}{array.shape}{array.dtype.str}".encode())
                digest.update(np.ascontiguousarray(array).data)
    for part in parts:
        if part is not None:
            digest.update(str(part.shape).encode() + np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
