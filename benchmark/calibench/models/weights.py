"""Read a user's file of weights without trusting it: safetensors, torch's own format, or .npz; no pickle that could run code."""

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

from calibench.data.numpy_files import existing, read_npz
from calibench.errors import InputError

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
"""Names under which training scripts keep the weights beside other things; Lightning's is the first."""

_SAVE = "save the weights alone: torch.save(model.state_dict(), file), or safetensors.torch.save_file"
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


def read_weights(path: str) -> dict[str, torch.Tensor]:
    """The tensors of a file by name, told by its content; InputError when it cannot be read or holds more than tensors."""
    file = existing(path)
    try:
        with file.open("rb") as stream:
            start = stream.read(9)
    except OSError as error:
        raise InputError(f"cannot read {path!r}: {error.strerror or error}", "check the path") from None
    if start[8:] == b"{":
        return _safetensors(file)
    if start[:2] == b"PK" and _holds_arrays(file):
        return _npz(file)
    return _state(_torch(file, zipped=start[:2] == b"PK"), path)


def _safetensors(file: Path) -> dict[str, torch.Tensor]:
    try:
        return {name: tensor.clone() for name, tensor in load_file(file).items()}  # the file may change while mapped
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{file}: not a sound safetensors file ({error})", "copy or write it again") from None


def _holds_arrays(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return file.suffix == ".npz"  # damaged: the name says who is to tell


def _npz(file: Path) -> dict[str, torch.Tensor]:
    found = {}
    for name, array in read_npz(file).items():
        if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
            raise InputError(f"{file}: array {name!r} has type {array.dtype}", "store numbers")
        found[name] = torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
    return found


def _torch(file: Path, zipped: bool) -> Any:
    try:
        if zipped:  # torch itself does not look at the checksums
            with zipfile.ZipFile(file) as archive:
                damaged = archive.testzip()
            if damaged is not None:
                raise InputError(f"{file}: {damaged!r} in it is damaged", "copy or write it again")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols
            return torch.load(file, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        named = _GLOBAL.search(str(error))
        if named:
            message = f"{file}: it holds Python objects ({named[1]}) beside tensors, and loading them could run code"
            raise InputError(message, _SAVE) from None
        reason = (str(error).splitlines() or [""])[0].split(". ")[0]
        message = f"{file}: not a file of weights that can be read ({type(error).__name__}: {reason[:120]})"
        raise InputError(message, f"it may be cut off, or no such file; {_SAVE}") from None


def _state(content: Any, path: str) -> dict[str, torch.Tensor]:
    """The mapping of names to tensors in what a torch file holds, itself or under one of `WRAPPERS`."""
    if isinstance(content, Mapping):
        inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), content)
        odd = next((f"{k!r} is a {type(v).__name__}" for k, v in inner.items() if not isinstance(v, torch.Tensor)), "")
        if inner and not odd and all(isinstance(name, str) for name in inner):
            return {name: tensor.detach() for name, tensor in inner.items()}
        what = odd or "it holds no tensor under a name"
    else:
        what = f"it holds a {type(content).__name__}"
    raise InputError(f"{path}: not a state dict of names and tensors: {what}", _SAVE)
