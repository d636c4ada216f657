"""`checkpoint=FILE`: a network's weights from a file, so that stage 1 can be the user's.

Names are matched as `calibench.models.weight_names` says. Then every tensor must be there, none may be left over, and
shapes must agree. Only batch norm's `num_batches_tracked`, which decides nothing here, may be missing.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import torch

from calibench.atomic import digest_of
from calibench.data.numpy_files import existing
from calibench.errors import InputError
from calibench.models.network import Network
from calibench.models.weight_names import few, our_names
from calibench.models.weights import read_weights
from calibench.plugins.params import Value

_COUNTER, _STATISTICS = "num_batches_tracked", "running_mean"
_RENAME = "checkpoint_rename=OLD=NEW;... changes the file's names, checkpoint_part=PREFIX takes a part of it"


def load_checkpoint(network: Network, model: str, params: Mapping[str, Value]) -> str:
    """Fill the network from `params['checkpoint']` and mark it `pretrained`; the SHA-256 of the file, or "" where none is set.

    Raises InputError, with nothing changed, for a file that cannot be read and for names or shapes that do not fit.
    """
    path, part, rename = (params.get(key) for key in ("checkpoint", "checkpoint_part", "checkpoint_rename"))
    if path is None:
        idle = "checkpoint_part" if part else "checkpoint_rename" if rename else ""
        if idle:
            raise InputError(f"model {model!r}: {idle} would do nothing without a checkpoint", "add checkpoint=FILE")
        return ""
    found, state = read_weights(str(path)), network.state_dict()
    digest = digest_of(existing(str(path)))
    names = our_names(found, state, str(part or ""), str(rename or ""), str(path))
    given = {now: found[name] for name, now in names.items()}
    _refuse_misfits(given, state, {now: name for name, now in names.items()}, f"{path} does not fit model {model!r}")
    network.load_state_dict({name: given.get(name, tensor) for name, tensor in state.items()})
    network.pretrained = True
    return digest


def _refuse_misfits(
    given: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor], in_file: Mapping[str, str], where: str
) -> None:
    """InputError that says what is missing, left over, of another shape or type, or not finite; first few, and how many."""
    missing = [name for name in state if name not in given and not name.endswith(_COUNTER)]
    extra = [name for name in given if name not in state]
    both = {name: (given[name], state[name]) for name in state if name in given}
    shapes = [
        f"{name} is {list(new.shape)}, not {list(old.shape)}"
        for name, (new, old) in both.items()
        if new.shape != old.shape
    ]
    kinds = [
        f"{name} is {str(new.dtype).removeprefix('torch.')}"
        for name, (new, old) in both.items()
        if new.is_floating_point() != old.is_floating_point() or new.layout != torch.strided
    ]
    said = [
        f"{len(names)} of {total} tensors {what}: {few(names)}"
        for names, total, what in (
            (missing, len(state), "are missing"),
            ([in_file[name] for name in extra], len(given), "have no place in it"),
            (shapes, len(state), "have another shape"),
            (kinds, len(state), "are of another type"),
        )
        if names
    ]
    if said:
        raise InputError(f"{where}: {'; '.join(said)}", _what_to_do(missing, extra, in_file))
    broken = [name for name, (new, _) in both.items() if not torch.isfinite(new.float()).all()]
    if broken:
        raise InputError(f"{where}: {few(broken)} holds NaN or infinity", "use a checkpoint of sound weights")


def _what_to_do(missing: list[str], extra: list[str], in_file: Mapping[str, str]) -> str:
    if missing and not extra and all(name.endswith((".mean", ".scale")) for name in missing):
        return "the file does not say how inputs are scaled: standardize=false, or mean=...,std=... where the model has them"
    if any(name.endswith(_STATISTICS) for name in missing) and not any(name.endswith(_STATISTICS) for name in in_file):
        return f"the file has no batch norm: norm=folded, where the model has it; {_RENAME}"
    if missing and extra:
        near = difflib.get_close_matches(extra[0], missing, n=1, cutoff=0.8)
        guess = f", did you mean {near[0]!r}?" if near else ";"
        return f"{in_file[extra[0]]!r} was read as {extra[0]!r}{guess} {_RENAME}"
    if missing:
        return "the file holds less than this network: check depth, width and norm, or save all of the network"
    if extra:
        return f"the file holds more than this network: check depth, norm and standardize; {_RENAME}"
    return "check depth, width and the number of classes"
