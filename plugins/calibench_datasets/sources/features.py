"""`features`: stored outputs of a network's body for each row, with the network's last layer if the user has it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from calibench import REQUIRED, Arrays, DatasetSpec, InputError, Param, models
from calibench.data.numpy_files import read_npy
from calibench.data.splits import hold_out, row_hashes
from calibench.errors import did_you_mean
from calibench.lazy import np, torch
from calibench_datasets.readers.names import split_names
from calibench_datasets.readers.parquet_arrays import parquet_arrays
from calibench_datasets.sources.npz import NAMES, TRAINING_ROWS_NOTE, named_arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "cal": "cal", "test": "test"}
_X = "x|feat|feats|feature|features|emb|embs|embedding|embeddings"
_Y = "y|label|labels|target|targets"
_ARRAY = re.compile(rf"(?:({'|'.join(_PARTS)})[_.-])?(?:({_X})|({_Y}))\Z", re.IGNORECASE)
_HEAD = re.compile(r"(?:.*\.)?(?:head|fc|linear|classifier)[_.](?:(w|weight)|(b|bias))\Z", re.IGNORECASE)

VAL_NOTE = "val is rows of train: if the given network was trained on them, a checkpoint that is picked there is picked too late"

NamedArrays: TypeAlias = "dict[str, NDArray[Any]]"


SPEC = DatasetSpec(
    name="features",
    target=f"{__name__}:features",
    summary="Stored embeddings, and the network's last layer where you have it: .npz, .safetensors, .pt, .parquet, .npy.",
    params=(
        Param(
            "path",
            "path",
            REQUIRED,
            "a file of arrays, or a folder of .npy files; names as train_feat, test_label",
        ),
        Param("head", "path", None, "a file with the last layer, alone or among the network's other weights"),
        Param("drop", "str", None, "arrays to leave out, joined by ';'"),
        Param("normalise", "str", "none", "l2: every row divided by its norm, as for CLIP", choices=("none", "l2")),
        Param(
            "cal_from_test",
            "float",
            None,
            "share of the test rows that are moved to cal, for a network that was trained on the train rows",
            minimum=0.001,
            maximum=0.9,
        ),
    ),
    licence="yours",
    source="the file; for --model frozen with head_weight [K, D], head_bias [K], or fc_w, fc_b, fc.weight, ...",
)


def features(path: str, head: str | None, drop: str | None, normalise: str, cal_from_test: float | None) -> Arrays:
    """Features `[N, D]` and labels of a file: .npz, .safetensors, torch's .pt, .parquet, or a folder of .npy files.

    Arrays may be called `train_feat`, `test_embeddings`, `val_label`, `fc_w`, ...; a name without a split means train.
    `head` names a file with the network's last layer, alone or among its other weights. `normalise=l2` divides rows by
    their norm. `cal_from_test` moves that share of the test rows to cal, stratified: if the network was trained on the train
    rows, a method that is fitted on those is too confident. InputError naming an array without a meaning.
    """
    file_arrays = _without(_read(path), split_names(drop), path)
    names = _standard_names(file_arrays, path)
    arrays = {standard: file_arrays[name] for standard, name in names.items()}
    if head is not None:
        if "head_weight" in arrays or "head_bias" in arrays:
            raise InputError(f"{path} brings a head, and head={head} another", "leave one of them out")
        arrays |= _read_head(head)
    _check_shapes(arrays, names, path)
    if normalise == "l2":
        arrays |= _normalised(arrays, names, path)
    renamed = ", ".join(f"{standard} from {name!r}" for standard, name in names.items() if standard != name)
    splits = named_arrays(arrays, path, (f"read {renamed}",) if renamed else ())
    return splits if cal_from_test is None else _move_test_rows_to_cal(splits, cal_from_test, path)


def _read(path: str) -> NamedArrays:
    """Every array of a file or folder, by its name in it."""
    place = Path(path)
    if place.is_dir():
        files = sorted(place.glob("*.npy"))
        if not files:
            raise InputError(f"{path}: the folder holds no .npy file", "train_x.npy, train_y.npy, test_x.npy, ...")
        return {file.stem: read_npy(file) for file in files}
    if place.suffix.lower() == ".parquet":
        return parquet_arrays(path)
    if place.suffix.lower() == ".npy":
        message = f"{path}: one array alone has no labels"
        raise InputError(message, f"put train_x.npy, train_y.npy, ... into a folder: features:path={place.parent}")
    return {name: _to_numpy(tensor) for name, tensor in models.read_weights(path).items()}


def _to_numpy(tensor: Any) -> NDArray[Any]:
    """A tensor as an array; bfloat16, which numpy does not have, becomes float32 of the same value."""
    return np.asarray((tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy())


def _without(arrays: NamedArrays, names: tuple[str, ...], path: str) -> NamedArrays:
    for name in names:
        if name not in arrays:
            raise InputError(f"{path}: drop={name}: there is no such array", did_you_mean(name, arrays))
    return {name: array for name, array in arrays.items() if name not in names}


def _standard_names(file_names: Iterable[str], path: str) -> dict[str, str]:
    """The name in the file for each name in `NAMES` that it has; InputError if two names mean the same."""
    names: dict[str, str] = {}
    for name in file_names:
        standard = _standard_name(name, path)
        if standard in names:
            message = f"{path}: {names[standard]!r} and {name!r} both are {standard}"
            raise InputError(message, f"leave one out: drop={names[standard]}")
        names[standard] = name
    return names


def _standard_name(name: str, path: str) -> str:
    """The name in `NAMES` that an array's name means."""
    if name in NAMES:
        return name
    if match := _HEAD.match(name):
        return "head_weight" if match[1] else "head_bias"
    if match := _ARRAY.match(name):
        return f"{_PARTS[(match[1] or 'train').lower()]}_{'x' if match[2] else 'y'}"
    hint = f"call it as in train_features, test_labels, head_weight ({did_you_mean(name, NAMES)}), or leave it out: drop={name}"
    raise InputError(f"{path}: the array {name!r} has no meaning here", hint)


def _read_head(path: str) -> NamedArrays:
    """`head_weight [K, D]` and `head_bias [K]` of a file of weights, which may hold other layers too."""
    weights = models.read_weights(path)
    candidates: dict[str, list[str]] = {"head_weight": [], "head_bias": []}
    for name in weights:
        if name in candidates:
            candidates[name].append(name)
        elif match := _HEAD.match(name):
            candidates["head_weight" if match[1] else "head_bias"].append(name)
    for standard, names in candidates.items():
        if len(names) != 1:
            listing = f": {', '.join(names[:3])}" if names else ""
            message = f"head={path}: {len(names)} arrays could be {standard}{listing}"
            hint = f"store {standard} under that name; the file holds {', '.join(list(weights)[-4:])}"
            raise InputError(message, hint)
    return {standard: _to_numpy(weights[names[0]]) for standard, names in candidates.items()}


def _check_shapes(arrays: NamedArrays, names: Mapping[str, str], path: str) -> None:
    for standard, x in arrays.items():
        if standard.endswith("_x") and x.ndim != 2:
            message = f"{path}: {names[standard]!r} has shape {list(x.shape)}, features are [N, D]"
            raise InputError(message, "pool or flatten them first; images and other rows are for npz:path=FILE")


def _normalised(arrays: NamedArrays, names: Mapping[str, str], path: str) -> NamedArrays:
    """The features of every split with rows of norm 1; InputError for a row of zeros, and if there is a head."""
    if "head_weight" in arrays:
        raise InputError(f"{path}: normalise=l2 would change the features that the head was trained on", "leave it out")
    return {
        standard: _unit_rows(x, f"{path}: {names[standard]!r}")
        for standard, x in arrays.items()
        if standard.endswith("_x")
    }


def _unit_rows(x: NDArray[Any], where: str) -> NDArray[np.float64]:
    rows = x.astype(np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (norms > 0).all():
        raise InputError(f"{where}: row {int(np.argmin(norms))} is zero or NaN", "it has no direction: drop it")
    return np.asarray(rows / norms)


def _move_test_rows_to_cal(arrays: Arrays, share: float, path: str) -> Arrays:
    """`arrays` with a stratified share of the test rows moved to cal; rows of equal content stay in one split."""
    if arrays.test is None or arrays.cal is not None or arrays.test_soft is not None:
        content = (
            "no test split" if arrays.test is None else "soft labels of test" if arrays.cal is None else "a cal split"
        )
        raise InputError(f"{path}: cal_from_test={share:g}, and the file has {content}", "leave it out")
    x, y = np.asarray(arrays.test[0]), np.asarray(arrays.test[1], dtype=np.int64)
    if len(x) != len(y) or y.ndim != 1:
        raise InputError(f"{path}: cal_from_test needs one label a row of test", "leave it out")
    _, groups = np.unique(row_hashes(x), return_inverse=True)
    if groups.max(initial=0) < 1:
        raise InputError(f"{path}: test has too few distinct rows for cal_from_test", "leave it out")
    in_cal = hold_out(y, groups.astype(np.int64), share, np.random.default_rng(0))
    note = f"cal is {int(in_cal.sum())} of the {len(y)} test rows, drawn with seed 0; ids are row numbers within each"
    notes = (*(VAL_NOTE if n == TRAINING_ROWS_NOTE else n for n in arrays.notes), note)
    return dataclasses.replace(arrays, cal=(x[in_cal], y[in_cal]), test=(x[~in_cal], y[~in_cal]), notes=notes)
