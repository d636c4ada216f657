"""`checkpoint=FILE`: a network's weights from a file, so that stage 1 may be the user's own training.

Names are matched by the rules in `calibench.models.weight_names`. Then every tensor must be there, none may be left over,
and shapes must agree. Only batch norm's `num_batches_tracked` may be missing: it has no effect here.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import torch

from calibench.atomic import digest_of
from calibench.data.numpy_files import existing_file
from calibench.errors import InputError
from calibench.models.network import Network
from calibench.models.weight_names import first_few, network_names
from calibench.models.weights import read_weights
from calibench.plugins.params import Value

_COUNTER, _STATISTICS = "num_batches_tracked", "running_mean"
_RENAME = "checkpoint_rename=OLD=NEW;... changes the file's names, checkpoint_part=PREFIX takes a part of it"

Tensors = Mapping[str, torch.Tensor]


def load_checkpoint(network: Network, model: str, params: Mapping[str, Value]) -> str:
    """Fill the network from `params['checkpoint']` and mark it `pretrained`; returns the file's SHA-256, "" without a file.

    Raises InputError, and changes nothing, if the file cannot be read or names or shapes do not fit.
    """
    path, part, rename = (str(params.get(f"checkpoint{key}") or "") for key in ("", "_part", "_rename"))
    if not path:
        idle = "checkpoint_part" if part else "checkpoint_rename" if rename else ""
        if idle:
            raise InputError(f"model {model!r}: {idle} would do nothing without a checkpoint", "add checkpoint=FILE")
        return ""
    in_file, state = read_weights(path), network.state_dict()
    digest = digest_of(existing_file(path))
    file_names = {new: old for old, new in network_names(in_file, state, part, rename, path).items()}
    tensors = {name: in_file[file_name] for name, file_name in file_names.items()}
    _refuse_misfits(tensors, state, file_names, f"{path} does not fit model {model!r}")
    network.load_state_dict({name: tensors.get(name, tensor) for name, tensor in state.items()})
    network.pretrained = True
    return digest


def _refuse_misfits(tensors: Tensors, state: Tensors, file_names: Mapping[str, str], where: str) -> None:
    """InputError unless the `tensors` from the file fit the network's `state`: names, shapes, types, finite values.

    The message counts the misfits of each kind and names the first few.
    """
    missing = [name for name in state if name not in tensors and not name.endswith(_COUNTER)]
    surplus = [name for name in tensors if name not in state]
    pairs = {name: (tensors[name], state[name]) for name in state if name in tensors}
    faults = (
        (missing, len(state), "are missing"),
        ([file_names[name] for name in surplus], len(tensors), "have no place in it"),
        (_other_shapes(pairs), len(state), "have another shape"),
        (_other_types(pairs), len(state), "are of another type"),
    )
    texts = [f"{len(names)} of {total} tensors {fault}: {first_few(names)}" for names, total, fault in faults if names]
    if texts:
        raise InputError(f"{where}: {'; '.join(texts)}", _hint(missing, surplus, file_names))
    not_finite = [name for name, (new, _) in pairs.items() if not torch.isfinite(new.float()).all()]
    if not_finite:
        raise InputError(f"{where}: {first_few(not_finite)} holds NaN or infinity", "use a checkpoint of sound weights")


def _other_shapes(pairs: Mapping[str, tuple[torch.Tensor, torch.Tensor]]) -> list[str]:
    return [
        f"{name} is {list(new.shape)}, not {list(old.shape)}"
        for name, (new, old) in pairs.items()
        if new.shape != old.shape
    ]


def _other_types(pairs: Mapping[str, tuple[torch.Tensor, torch.Tensor]]) -> list[str]:
    return [
        f"{name} is {str(new.dtype).removeprefix('torch.')}"
        for name, (new, old) in pairs.items()
        if new.is_floating_point() != old.is_floating_point() or new.layout != torch.strided
    ]


def _hint(missing: list[str], surplus: list[str], file_names: Mapping[str, str]) -> str:
    """The hint for names that the file lacks, and for names that only the file has."""
    if missing and not surplus and all(name.endswith((".mean", ".scale")) for name in missing):
        return (
            "the file does not say how inputs are scaled: standardize=false, or mean=...,std=... if the model has them"
        )
    has_statistics = any(name.endswith(_STATISTICS) for name in file_names)
    if not has_statistics and any(name.endswith(_STATISTICS) for name in missing):
        return f"the file has no batch norm: norm=folded, if the model has it; {_RENAME}"
    if missing and surplus:
        near = difflib.get_close_matches(surplus[0], missing, n=1, cutoff=0.8)
        guess = f", did you mean {near[0]!r}?" if near else ";"
        return f"{file_names[surplus[0]]!r} was read as {surplus[0]!r}{guess} {_RENAME}"
    if missing:
        return "the file holds less than this network: check depth, width and norm, or save all of the network"
    if surplus:
        return f"the file holds more than this network: check depth, norm and standardize; {_RENAME}"
    return "check depth, width and the number of classes"
