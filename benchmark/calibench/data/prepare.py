"""From a dataset's arrays to four checked splits with a fingerprint. Label noise comes after, in `calibench.data.noise`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from calibench.data.checks import (
    Split,
    check_head,
    check_rows,
    count_classes,
    count_labels_per_sample,
    refuse_different_shapes,
)
from calibench.data.soft import checked_soft
from calibench.data.splits import hold_out, overlap, row_hashes
from calibench.errors import InputError
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibench.data.arrays import Arrays, Pair

SPLITS = ("train", "val", "cal", "test")


@dataclass(frozen=True)
class Data:
    """Four splits, the number of classes, the trained head if there is one, and a SHA-256 fingerprint of all of it."""

    train: Split
    val: Split
    cal: Split
    test: Split
    num_classes: int
    fingerprint: str
    clean_fingerprint: str
    """The fingerprint before label noise; runs that share it may stand on one board."""
    test_fingerprint: str
    head_weight: NDArray[np.float32] | None = None
    head_bias: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()
    noise: Mapping[str, Any] | None = None
    mislabelled: NDArray[np.bool_] | None = None
    """True `[n]` for the training labels that `noise` made wrong; None without noise. For reports, never for training."""
    labels_per_sample: int = 1
    """Q if each row has Q labels, each of two classes; 1 if it has one label of `num_classes`."""
    test_soft: NDArray[np.float64] | None = None
    """Shares `[n, K]` of people who gave each label to the rows of test; each row sums to 1."""
    class_names: tuple[str, ...] = ()
    """The names of the classes in order; empty if the data have none."""
    group: str = ""
    """The data behind these rows, as in `Arrays`."""

    @property
    def num_outputs(self) -> int:
        """The number of logits that a network computes for a row: one a class, or one a label if a row has several."""
        return self.labels_per_sample if self.labels_per_sample > 1 else self.num_classes

    def sizes(self) -> dict[str, int]:
        """The number of rows in each split."""
        return {name: len(getattr(self, name)) for name in SPLITS}


def prepare(arrays: Arrays, shares: Mapping[str, Any], explicit: frozenset[str], where: str) -> Data:
    """Check the arrays, hold out the splits that are missing, and refuse any overlap of content between splits.

    `shares` holds val, cal, test (fractions of the training rows) and split_seed; `explicit` names those that the user typed.
    Raises InputError naming `where`, the split and the row.
    """
    pairs: dict[str, Pair] = {"train": (arrays.x, arrays.y)}
    pairs |= {name: pair for name in SPLITS[1:] if (pair := getattr(arrays, name)) is not None}
    if idle := sorted(explicit & set(pairs)):
        share = f"{idle[0]}={shares[idle[0]]}"
        message = f"{where}: {share} would do nothing, the data brings its own {idle[0]} split"
        raise InputError(message, "leave it out")
    splits = {name: check_rows(np.asarray(x), np.asarray(y), f"{where}: {name}") for name, (x, y) in pairs.items()}
    hashes = {name: row_hashes(split.x) for name, split in splits.items()}
    notes = arrays.notes + (_drop_repeats(splits, hashes) if arrays.repeats == "drop" else ())
    if arrays.repeats != "allow":
        _refuse_leaks(hashes, where)  # here, while row numbers are the user's; held-out splits cannot leak
    _hold_out_missing(splits, hashes, shares, where)
    weight, bias = check_head(arrays, splits["train"].x, where)
    refuse_different_shapes(splits, where)
    labels_per_sample = count_labels_per_sample(splits, weight, where)
    num_classes = count_classes(splits, weight, labels_per_sample, where)
    soft = _check_soft(arrays, splits["test"], num_classes, where)
    fingerprint = fingerprint_of(splits, weight, bias, soft)
    return Data(
        train=splits["train"],
        val=splits["val"],
        cal=splits["cal"],
        test=splits["test"],
        num_classes=num_classes,
        fingerprint=fingerprint,
        clean_fingerprint=fingerprint,
        test_fingerprint=fingerprint_of({"test": splits["test"]}, soft),
        head_weight=weight,
        head_bias=bias,
        notes=notes,
        labels_per_sample=labels_per_sample,
        test_soft=soft,
        class_names=_check_names(arrays.class_names, num_classes, labels_per_sample, where),
        group=arrays.group,
    )


def _check_names(names: tuple[str, ...], num_classes: int, labels_per_sample: int, where: str) -> tuple[str, ...]:
    """The names of the classes; InputError if there are too few. Names of classes beyond those that labels have are left out."""
    if not names or labels_per_sample > 1:
        return ()
    if len(names) < num_classes:
        message = f"{where}: {len(names)} names for {num_classes} classes"
        raise InputError(message, "name every class, in the order of the labels, or none")
    return names[:num_classes]


def checked_test_rows(arrays: Arrays, where: str) -> NDArray[np.float32] | None:
    """The checked rows of the arrays' test split; None if they have no test split."""
    if arrays.test is None:
        return None
    x, y = arrays.test
    return check_rows(np.asarray(x), np.asarray(y), f"{where}: test").x


def fingerprint_of(splits: Mapping[str, Split], *arrays: NDArray[np.floating[Any]] | None) -> str:
    """SHA-256 over rows, labels and ids of the splits, and over those `arrays` that are not None."""
    digest = hashlib.sha256()
    for name in SPLITS:
        if name in splits:
            for array in (splits[name].x, splits[name].y, splits[name].ids):
                digest.update(f"{name}{array.shape}{array.dtype.str}".encode())
                digest.update(np.ascontiguousarray(array).data)
    for part in arrays:
        if part is not None:
            digest.update(str(part.shape).encode() + np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _hold_out_missing(
    splits: dict[str, Split], hashes: dict[str, NDArray[np.bytes_]], shares: Mapping[str, Any], where: str
) -> None:
    """Hold out of train, in place, the splits that are missing; shares are of the rows that train has at first."""
    missing = [name for name in ("test", "cal", "val") if name not in splits]
    if sum(shares[name] for name in missing) >= 0.95:
        raise InputError(f"{where}: {' + '.join(missing)} leave less than 5 % for training", "lower the shares")
    total = len(splits["train"])
    rng = np.random.default_rng([int(shares["split_seed"]), 0xCA11])
    for name in missing:
        train, digests = splits["train"], hashes["train"]
        _, groups = np.unique(digests, return_inverse=True)
        if groups.max() < 2:
            message = f"{where}: there are too few distinct rows to hold out {name}"
            raise InputError(message, "give more rows, or the split")
        strata = train.y if train.y.ndim == 1 else np.unique(train.y, axis=0, return_inverse=True)[1].reshape(-1)
        chosen = hold_out(strata, groups.astype(np.int64), shares[name] * total / len(train), rng)
        for split, rows in (("train", ~chosen), (name, chosen)):
            splits[split], hashes[split] = train.take(rows), digests[rows]


def _drop_repeats(splits: dict[str, Split], hashes: dict[str, NDArray[np.bytes_]]) -> tuple[str, ...]:
    """Drop from train, in place, the rows whose content is in another split; returns notes for the record."""
    notes = []
    for name in [name for name in SPLITS[1:] if name in splits]:
        train = splits["train"]
        repeated, _ = overlap(hashes["train"], hashes[name])
        if 0 < len(repeated) < len(train):
            keep = np.ones(len(train), dtype=bool)
            keep[repeated] = False
            splits["train"], hashes["train"] = train.take(keep), hashes["train"][keep]
            count = f"{len(repeated)} of {len(train)} training rows"
            notes.append(f"{count} are also in {name}, to the bit, and were left out of train")
    return tuple(notes)


def _refuse_leaks(hashes: Mapping[str, NDArray[np.bytes_]], where: str) -> None:
    for a, b in combinations([name for name in SPLITS if name in hashes], 2):
        rows_b, rows_a = overlap(hashes[b], hashes[a])
        if len(rows_b):
            pair = f"row {int(rows_b[0])} of {b} is row {int(rows_a[0])} of {a}"
            message = f"{where}: {len(rows_b)} rows of {b} are also in {a} (first: {pair})"
            raise InputError(message, "a figure on rows seen in training means nothing: drop them from one split")


def _check_soft(arrays: Arrays, test: Split, num_classes: int, where: str) -> NDArray[np.float64] | None:
    """The checked soft labels of test; None if the arrays have none."""
    if arrays.test_soft is None:
        return None
    if arrays.test is None or test.y.ndim > 1:
        message = f"{where}: test_soft is for a test split of one label a row"
        raise InputError(message, "give test with it, or leave it out")
    return checked_soft(np.asarray(arrays.test_soft), len(test), num_classes, f"{where}: test_soft")
