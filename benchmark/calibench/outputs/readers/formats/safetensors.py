"""Read scores and labels from a `.safetensors` file: 8 bytes with the length of a JSON header, the header, the tensors."""

from __future__ import annotations

import dataclasses
import json
import struct
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from calibench.data.numpy_files import existing_file
from calibench.errors import InputError, did_you_mean
from calibench.files.memory_limit import refuse_beyond_memory
from calibench.lazy import np
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.readers.stored_array import StoredArray
from calibench.outputs.roles.label_columns import label_name
from calibench.outputs.roles.score_arrays import are_probs, scores_name
from calibench.plugins.specs import ReaderSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEC = ReaderSpec(
    name="safetensors",
    suffixes=(".safetensors",),
    target="calibench.outputs.readers.formats.safetensors:read_safetensors",
    starts=(),
    summary="Named tensors of safetensors.",
)

LONGEST_HEADER = 100_000_000
"""Bytes; the format's own limit."""

TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "<u1",
    "BOOL": "|b1",
}


def read_safetensors(path: Path, columns: Columns) -> Content:
    """The tensors of a `.safetensors`, those of bfloat16 as float32. InputError naming the tensor that cannot be read."""
    tensors, start = _header(path)
    arrays = {name: _tensor(path, name, tensors, start) for name in tensors}
    refuse_beyond_memory(path, 2 * sum(array.size_in_bytes for array in arrays.values()), "what its tensors hold")
    return Content({name: in_float32(array) for name, array in arrays.items()}, table=False)


def in_float32(array: StoredArray) -> NDArray[Any]:
    """The whole array; bfloat16, which numpy does not have, as the float32 numbers of the same value."""
    if not array.bfloat16:
        whole: NDArray[Any] = array.whole()
        return whole
    bits = dataclasses.replace(array, bfloat16=False).whole().astype(np.uint32) << 16
    widened: NDArray[Any] = bits.view(np.float32)
    return widened


def safetensors_scores_and_labels(path: str | Path, columns: Columns) -> tuple[StoredArray, StoredArray, bool]:
    """The scores and the labels in a `.safetensors`, and True if the scores are probabilities."""
    tensors, start = _header(path)
    scores = scores_name(columns, tensors, path)
    from_probs = are_probs(columns, scores)
    labels = label_name(columns, tensors)
    return _tensor(path, scores, tensors, start), _tensor(path, labels, tensors, start), from_probs


def _header(path: str | Path) -> tuple[dict[str, Any], int]:
    """The description of each tensor by its name, and the place of the first one."""
    file = existing_file(path)
    try:
        with file.open("rb") as content:
            (length,) = struct.unpack("<Q", content.read(8))
            if length > min(LONGEST_HEADER, file.stat().st_size):
                raise ValueError(f"a header of {length} bytes")
            tensors = json.loads(content.read(length))
        if not isinstance(tensors, dict):
            raise TypeError("the header is no object")
    except (OSError, struct.error, ValueError, TypeError, RecursionError) as error:
        hint = "write it with safetensors.torch.save_file"
        raise InputError(f"{path}: not a sound .safetensors file ({error})", hint) from None
    tensors.pop("__metadata__", None)
    return tensors, 8 + length


def _tensor(path: str | Path, name: str, tensors: dict[str, Any], start: int) -> StoredArray:
    if name not in tensors:
        raise InputError(f"{path}: there is no {name!r}", did_you_mean(name, tensors))
    where = f"{path}: {name!r}"
    try:
        kind, shape = str(tensors[name]["dtype"]), tuple(int(size) for size in tensors[name]["shape"])
        first, end = (start + int(offset) for offset in tensors[name]["data_offsets"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InputError(f"{where} has no sound description", "write the file again") from None
    if kind not in TYPES:
        raise InputError(f"{where} has type {kind}", "store F64, F32, F16 or BF16, and labels as I64")

    def opened() -> IO[bytes]:
        file = Path(path).open("rb")  # noqa: SIM115 - the caller closes it
        file.seek(first)
        return file

    array = StoredArray(where, shape, np.dtype(TYPES[kind]), opened, bfloat16=kind == "BF16")
    if (
        min(shape, default=0) < 0
        or first < start
        or end - first != array.size_in_bytes
        or end > Path(path).stat().st_size
    ):
        raise InputError(f"{where} does not lie within the file", "it is cut short: write it again")
    return array
