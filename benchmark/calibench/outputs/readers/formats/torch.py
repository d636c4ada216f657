"""Read a `.pt` or `.pth` of outputs: tensors by name, as `torch.save({"logits": z, "labels": y}, FILE)` writes them."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.files.memory_limit import refuse_beyond_memory
from calibench.lazy import np, torch
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.plugins.specs import ReaderSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEC = ReaderSpec(
    name="torch",
    suffixes=(".pt", ".pth"),
    starts=(b"PK\x03\x04",),
    marks=("/data.pkl",),
    target="calibench.outputs.readers.formats.torch:read_torch",
    summary="Tensors of torch, read with weights_only=True: no pickle is run.",
)

OTHERS = (RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, AssertionError)
"""Errors that torch raises of a damaged file."""

HINT = 'write it with torch.save({"logits": logits, "labels": labels}, FILE)'


MOST_NAMES = 8
"""So many names of other entries are listed."""


def read_torch(path: Path, columns: Columns) -> Content:
    """The tensors of a file by name; of a tuple of two, the first are scores and the second labels. A pickle is not run.

    bfloat16 becomes float32. Raises InputError for a file that holds anything else than tensors, numbers and texts.
    """
    _refuse_expanding(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it may be something else, as a script: the error tells
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        message = f"{path}: it holds Python objects (a pickle), which could run code, or it is damaged"
        raise InputError(message, f"{HINT}; both are tensors: torch.from_numpy(array), or lists of texts") from None
    except (OSError, EOFError, *OTHERS) as error:
        raise InputError(f"{path}: not a sound torch file ({first_line(error)})", HINT) from None
    pair = isinstance(stored, tuple | list) and len(stored) == 2
    if pair:
        stored = dict(zip(("scores", "labels"), stored, strict=True))
    if torch.is_tensor(stored):
        stored = {path.stem: stored}
    if not isinstance(stored, Mapping):
        raise InputError(f"{path} holds a {type(stored).__name__}, no tensors by name", HINT)
    refuse_beyond_memory(path, 2 * _size_of(stored.values()), "what its tensors hold")
    arrays = {str(name): array for name, value in stored.items() if (array := as_array(value)) is not None}
    if not arrays:
        entries = ", ".join(map(str, list(stored)[:MOST_NAMES])) or "nothing"
        raise InputError(f"{path} holds no tensors by name at its top; it holds {entries}", HINT)
    single = path.stem if path.stem in arrays else ""
    logits, probs = (single if single.endswith(kind) else None for kind in ("logits", "probs"))
    left = tuple(str(name) for name in stored if str(name) not in arrays)
    scores = "scores" if pair and "scores" in arrays else None
    return Content(arrays, table=False, unused=left, logits=logits, probs=probs, scores=scores)


def first_line(error: Exception) -> str:
    """The first line of an error's text, which libraries fill with advice; its kind where it has none."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


def _refuse_expanding(path: Path) -> None:
    """InputError if the members of a zip file are larger than memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (OSError, zipfile.BadZipFile, ValueError):
        size = path.stat().st_size
    refuse_beyond_memory(path, 2 * size)


def _size_of(values: Iterable[Any]) -> int:
    """The bytes of tensors once they are written out. One of stride 0 repeats a number, and may claim any size."""
    lists = [value if isinstance(value, list | tuple) else [value] for value in values]
    return sum(t.numel() * t.element_size() for listed in lists for t in listed if torch.is_tensor(t))


def as_array(value: Any) -> NDArray[Any] | None:
    """A tensor, a list of numbers or of texts as an array; None for anything else."""
    if isinstance(value, list | tuple) and value and all(torch.is_tensor(item) for item in value):
        shapes = {tuple(item.shape) for item in value}
        if len(shapes) == 1:
            value = torch.stack(list(value))
        elif len({shape[1:] for shape in shapes}) == 1 and () not in shapes:  # batches, the last one shorter
            value = torch.cat(list(value))
        else:
            return None
    if torch.is_tensor(value):
        tensor = value.detach().cpu()
        if tensor.layout != torch.strided or tensor.is_quantized:
            return None
        array: NDArray[Any] = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
        return array
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, list | tuple) and value and all(isinstance(item, str | int | float) for item in value):
        return np.array(value)
    return None
