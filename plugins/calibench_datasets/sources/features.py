"""`features`: what a network's body put out for each row, stored by whoever ran it, with its last layer where it is known."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from calibench import REQUIRED, Arrays, DatasetSpec, InputError, Param, models
from calibench.data.numpy_files import read_npy
from calibench.data.splits import hold_out, row_hashes
from calibench.errors import did_you_mean
from calibench.lazy import np, torch
from calibench_datasets.sources.feature_table import read_table
from calibench_datasets.sources.npz import NAMES, SEEN, named_arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "cal": "cal", "test": "test"}
_X = "x|feat|feats|feature|features|emb|embs|embedding|embeddings"
_Y = "y|label|labels|target|targets"
_ARRAY = re.compile(rf"(?:({'|'.join(_PARTS)})[_.-])?(?:({_X})|({_Y}))\Z", re.IGNORECASE)
_HEAD = re.compile(r"(?:.*\.)?(?:head|fc|linear|classifier)[_.](?:(w|weight)|(b|bias))\Z", re.IGNORECASE)

SEEN_VAL = "val is made of rows of train: if the given network was trained on them, a checkpoint picked there is picked too late"

Named: TypeAlias = "dict[str, NDArray[Any]]"


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
            "share of the test rows that become cal, for a network that was trained on the train rows",
            minimum=0.001,
            maximum=0.9,
        ),
    ),
    licence="yours",
    source="the file; for --model frozen with head_weight [K, D], head_bias [K], or fc_w, fc_b, fc.weight, ...",
)


def features(path: str, head: str | None, drop: str | None, normalise: str, cal_from_test: float | None) -> Arrays:
    """Features `[N, D]` and labels of a file: .npz, .safetensors, torch's .pt, .parquet, or a folder of .npy files.

    Arrays may be called `train_feat`, `test_embeddings`, `val_label`, `fc_w`, ...; without a split's name they are train.
    `head` names a file that holds the last layer of the network, alone or among its other weights. `normalise=l2` divides
    rows by their norm. `cal_from_test` moves that share of the test rows to cal, stratified, for a network that was trained on
    the train rows: what is fitted on those would be too confident. InputError naming the array that has no meaning here.
    """
    held = _dropped(_read(path), drop, path)
    names = {_meaning(name, held, path): name for name in held}
    if len(names) < len(held):
        twice = next(name for name in held if names[_meaning(name, held, path)] != name)
        raise InputError(
            f"{path}: {twice!r} and {names[_meaning(twice, held, path)]!r} both are {_meaning(twice, held, path)}",
            f"leave one out: drop={twice}",
        )
    arrays = {now: held[name] for now, name in names.items()}
    if head is not None:
        if "head_weight" in arrays or "head_bias" in arrays:
            raise InputError(f"{path} brings a head, and head={head} another", "leave one of them out")
        arrays |= _head_of(head)
    for name, x in arrays.items():
        if name.endswith("_x") and x.ndim != 2:
            message = f"{path}: {names[name]!r} has shape {list(x.shape)}, features are [N, D]"
            raise InputError(message, "pool or flatten them first; images and other rows are for npz:path=FILE")
    if normalise == "l2":
        if "head_weight" in arrays:
            raise InputError(f"{path}: normalise=l2 would change what the head was trained on", "leave it out")
        arrays |= {name: _unit(x, f"{path}: {names[name]!r}") for name, x in arrays.items() if name.endswith("_x")}
    read = ", ".join(f"{now} from {name!r}" for now, name in names.items() if now != name)
    found = named_arrays(arrays, path, (f"read {read}",) if read else ())
    if cal_from_test is None:
        return found
    return _with_cal(found, cal_from_test, path)


def _read(path: str) -> Named:
    """Every array of the file or folder by name."""
    place = Path(path)
    if place.is_dir():
        files = sorted(place.glob("*.npy"))
        if not files:
            raise InputError(f"{path}: the folder holds no .npy file", "train_x.npy, train_y.npy, test_x.npy, ...")
        return {file.stem: read_npy(file) for file in files}
    if place.suffix.lower() == ".parquet":
        return read_table(path)
    if place.suffix.lower() == ".npy":
        message = f"{path}: one array alone has no labels"
        raise InputError(message, f"put train_x.npy, train_y.npy, ... into a folder: features:path={place.parent}")
    return {name: _plain(tensor) for name, tensor in models.read_weights(path).items()}


def _plain(tensor: Any) -> NDArray[Any]:
    """A tensor as an array; bfloat16, which numpy has not, as the float32 of the same value."""
    return np.asarray((tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy())


def _dropped(held: Named, drop: str | None, path: str) -> Named:
    wanted = [] if drop is None else [name.strip() for name in drop.split(";")]
    for name in wanted:
        if name not in held:
            raise InputError(f"{path}: drop={name}: there is no such array", did_you_mean(name, held))
    return {name: array for name, array in held.items() if name not in wanted}


def _meaning(name: str, held: Iterable[str], path: str) -> str:
    """What an array's name means: one of `NAMES`."""
    if name in NAMES:
        return name
    if match := _HEAD.match(name):
        return "head_weight" if match[1] else "head_bias"
    if match := _ARRAY.match(name):
        return f"{_PARTS[(match[1] or 'train').lower()]}_{'x' if match[2] else 'y'}"
    hint = f"call it as in train_features, test_labels, head_weight ({did_you_mean(name, NAMES)}), or leave it out: drop={name}"
    raise InputError(f"{path}: the array {name!r} has no meaning here", hint)


def _head_of(path: str) -> Named:
    """`head_weight [K, D]` and `head_bias [K]` of a file of weights, whichever else it holds."""
    held = models.read_weights(path)
    found: dict[str, list[str]] = {"head_weight": [], "head_bias": []}
    for name in held:
        if name in found:
            found[name].append(name)
        elif match := _HEAD.match(name):
            found["head_weight" if match[1] else "head_bias"].append(name)
    for what, names in found.items():
        if len(names) != 1:
            message = f"head={path}: {len(names)} arrays could be {what}{': ' if names else ''}{', '.join(names[:3])}"
            raise InputError(message, f"store {what} under that name; the file holds {', '.join(list(held)[-4:])}")
    return {what: _plain(held[names[0]]) for what, names in found.items()}


def _unit(x: NDArray[Any], where: str) -> NDArray[np.float64]:
    rows = x.astype(np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (norms > 0).all():
        raise InputError(f"{where}: row {int(np.argmin(norms))} is zero, or no number", "it has no direction: drop it")
    return np.asarray(rows / norms)


def _with_cal(found: Arrays, share: float, path: str) -> Arrays:
    """Some of the test rows as cal; rows of equal content stay on one side, as everywhere."""
    if found.test is None or found.cal is not None or found.test_soft is not None:
        has = "no test split" if found.test is None else "soft labels of test" if found.cal is None else "a cal split"
        raise InputError(f"{path}: cal_from_test={share:g}, and the file has {has}", "leave it out")
    x, y = np.asarray(found.test[0]), np.asarray(found.test[1], dtype=np.int64)
    if len(x) != len(y) or y.ndim != 1:
        raise InputError(f"{path}: cal_from_test needs one label a row of test", "leave it out")
    _, groups = np.unique(row_hashes(x), return_inverse=True)
    if groups.max(initial=0) < 1:
        raise InputError(f"{path}: test has too few distinct rows for cal_from_test", "leave it out")
    out = hold_out(y, groups.astype(np.int64), share, np.random.default_rng(0))
    note = f"cal is {int(out.sum())} of the {len(y)} test rows, drawn with seed 0; ids are row numbers within each"
    others = [other if other != SEEN else SEEN_VAL for other in found.notes]
    return dataclasses.replace(found, cal=(x[out], y[out]), test=(x[~out], y[~out]), notes=(*others, note))
