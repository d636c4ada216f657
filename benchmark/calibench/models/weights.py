"""Read a user's file of weights without trusting it: safetensors, torch's format, or .npz; no pickle that could run code."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from calibench.data.numpy_files import existing_file, read_npz
from calibench.errors import InputError
from calibench.files.memory_limit import refuse_beyond_memory

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
"""Keys under which training scripts store the weights beside other things; the first is Lightning's."""

_SAVE = "save the weights alone: torch.save(model.state_dict(), file), or safetensors.torch.save_file"
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


def read_weights(path: str) -> dict[str, torch.Tensor]:
    """The tensors of a file by name; the content tells the format. InputError if it cannot be read or holds more than tensors."""
    file = existing_file(path)
    try:
        with file.open("rb") as stream:
            start = stream.read(9)
    except OSError as error:
        raise InputError(f"cannot read {path!r}: {error.strerror or error}", "check the path") from None
    if start[8:] == b"{":
        return _read_safetensors(file)
    if start[:2] == b"PK" and _has_arrays(file):
        return _read_npz(file)
    return _tensors_of(_read_torch(file, zipped=start[:2] == b"PK"), path)


def _read_safetensors(file: Path) -> dict[str, torch.Tensor]:
    refuse_beyond_memory(file, file.stat().st_size)
    try:
        return {name: tensor.clone() for name, tensor in load_file(file).items()}  # the file may change while mapped
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{file}: not a sound safetensors file ({error})", "copy or write it again") from None


def _has_arrays(file: Path) -> bool:
    """True if a zip file is an .npz. For a damaged one the suffix decides which reader reports the damage."""
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return file.suffix == ".npz"


def _read_npz(file: Path) -> dict[str, torch.Tensor]:
    tensors = {}
    for name, array in read_npz(file).items():
        if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
            raise InputError(f"{file}: array {name!r} has type {array.dtype}", "store numbers")
        tensors[name] = torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
    return tensors


def _read_torch(file: Path, zipped: bool) -> Any:
    """The content of a file by torch.save; InputError if it is damaged or holds Python objects."""
    try:
        refuse_beyond_memory(file, file.stat().st_size)
        if zipped:
            _check_zip(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols
            return torch.load(file, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        python_object = _GLOBAL.search(str(error))
        if python_object:
            message = f"{file}: it holds Python objects ({python_object[1]}) beside tensors"
            raise InputError(f"{message}, and loading them could run code", _SAVE) from None
        reason = (str(error).splitlines() or [""])[0].split(". ")[0]
        message = f"{file}: not a file of weights that can be read ({type(error).__name__}: {reason[:120]})"
        raise InputError(message, f"it may be cut off, or no file of weights; {_SAVE}") from None


def _check_zip(file: Path) -> None:
    """InputError if a checksum is wrong; torch itself does not look at the checksums."""
    with zipfile.ZipFile(file) as archive:
        refuse_beyond_memory(file, sum(member.file_size for member in archive.infolist()))
        damaged = archive.testzip()
    if damaged is not None:
        raise InputError(f"{file}: {damaged!r} in it is damaged", "copy or write it again")


def _tensors_of(content: Any, path: str) -> dict[str, torch.Tensor]:
    """The tensors by name in a file by torch.save, which may hold them under one of `WRAPPERS`."""
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: not a state dict of names and tensors: it holds a {type(content).__name__}", _SAVE)
    state = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), content)
    fault = next((f"{k!r} is a {type(v).__name__}" for k, v in state.items() if not isinstance(v, torch.Tensor)), "")
    if not fault and not (state and all(isinstance(name, str) for name in state)):
        fault = "it holds no tensor under a name"
    if fault:
        raise InputError(f"{path}: not a state dict of names and tensors: {fault}", _SAVE)
    return {name: tensor.detach() for name, tensor in state.items()}
