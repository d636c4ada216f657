"""Splits of a Hugging Face data set: their parts in a run (train, val, cal, test), and the check that no row is missing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calibench import InputError
from calibench.errors import did_you_mean
from calibench_datasets.readers.names import first_repeated

_SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.\w+\Z")
_VALIDATION = ("validation", "valid", "val", "dev")
"""Usual names of the split that checkpoints are picked by."""


def choose_splits(user_names: Mapping[str, str | None], names: list[str], where: str) -> dict[str, str]:
    """The split's name for train and, if the set has them, val, cal and test.

    `user_names` holds the user's name of each part, or None; `names` are the splits of the set. A part without a name gets the
    official split of that kind, unless the user names it for another part. InputError for a name that is not a split, for two
    candidates, for a split with two uses, and if there is no train.
    """
    for part, name in user_names.items():
        if name is not None and name not in names:
            raise InputError(f"{where}: {part}_split={name}: there is no such split", did_you_mean(name, names))
    free = [name for name in names if name not in user_names.values()]
    splits = {}
    for part, name in user_names.items():
        split = name or _official(part, free, len(names) == 1, where)
        if split is not None:
            splits[part] = split
    if "train" not in splits:
        raise InputError(f"{where}: there is no split train, but {', '.join(names)}", "say which: train_split=NAME")
    if (repeated := first_repeated(list(splits.values()))) is not None:
        message = f"{where}: the split {repeated!r} is used for two parts"
        raise InputError(message, "figures on rows that were trained on mean nothing: name two splits")
    return splits


def _official(part: str, names: list[str], is_only_split: bool, where: str) -> str | None:
    """The official split of a kind among `names`, or None; InputError if several could be val."""
    if part == "train" and "train" not in names and is_only_split:
        return names[0] if names else None
    if part != "val":
        return part if part in {"train", "test"} and part in names else None
    candidates = [name for name in _VALIDATION if name in names]
    if len(candidates) > 1:
        raise InputError(f"{where}: {' and '.join(candidates)} could each be val", "say which: val_split=NAME")
    return candidates[0] if candidates else None


def refuse_missing_files(builder: Any, where: str) -> None:
    """InputError if a numbered file of a split is missing, as after a download that broke off."""
    for split, files in (builder.config.data_files or {}).items():
        shards = [match for file in files if (match := _SHARD.match(str(file)))]
        for stem, total in {(shard[1], int(shard[3])) for shard in shards}:
            numbers = {int(shard[2]) for shard in shards if shard[1] == stem and int(shard[3]) == total}
            missing = set(range(total)) - numbers
            if missing:
                file = f"file {min(missing):05d} of {total} is missing ({Path(stem).name})"
                raise InputError(f"{where}: split {split!r} is cut short: {file}", "fetch the set again")


def refuse_other_count(builder: Any, split: str, rows: int, where: str) -> None:
    """InputError if the set's README names another number of rows."""
    info = (builder.info.splits or {}).get(split)
    if info is not None and info.num_examples and info.num_examples != rows:
        message = f"{where}: split {split!r} has {rows} rows, and {info.num_examples} as its README says"
        raise InputError(message, "fetch the set again")
