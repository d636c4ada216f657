"""Read a user's `.npy` or `.npz` without trusting it: no pickle, and a clear error for each fault of the file."""

from __future__ import annotations

import io
import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.files.memory_limit import refuse_beyond_memory
from calibench.files.regular_file import open_regular
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNREADABLE = (
    ValueError,
    IndexError,
    AttributeError,
    RecursionError,
    struct.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    KeyError,
    zlib.error,
    MemoryError,
    OverflowError,
    RuntimeError,
    TypeError,
    SyntaxError,
)
"""Errors that zipfile and numpy raise for damaged, encrypted (RuntimeError) or absurd (OverflowError) members."""


LAST_LETTER = 0x10FFFF

COPIES = 2
"""An array is copied once where it is read: to another type, or in another order."""


def existing_file(path: str | Path) -> Path:
    """The path as a Path; InputError if no file is there."""
    file = Path(path)
    try:
        if file.is_file():
            return file
        message = f"{str(path)!r} is not a file" if file.exists() else f"there is no file {str(path)!r}"
    except (OSError, ValueError) as error:  # a name that is too long or holds a NUL
        message = f"cannot read {str(path)!r}: {error}"
    raise InputError(message, "check the path")


def token_errors() -> tuple[type[Exception], ...]:
    """Errors of a damaged header, which numpy reads as Python does."""
    import tokenize

    return SyntaxError, tokenize.TokenError


def read_npy(path: str | Path) -> NDArray[Any]:
    """The array of a `.npy`; InputError if it cannot be read, is cut short or holds a pickle."""
    file = existing_file(path)
    try:
        with open_regular(file) as raw, io.BufferedReader(raw) as content:
            refuse_beyond_memory(path, COPIES * _bytes_of(content, file.stat().st_size), "its array")
            content.seek(0)
            array: NDArray[Any] = np.lib.format.read_array(content, allow_pickle=False)
            rest = content.read(1)
    except InputError:
        raise
    except _UNREADABLE + token_errors() as error:
        _refuse_pickle(error, f"{path}: it")
        raise InputError(f"{path}: not a sound .npy file ({error})", "write it again with numpy.save") from None
    if rest:
        raise InputError(f"{path}: more follows after the array", "write it again with numpy.save")
    return array


def npz_names(path: str | Path) -> list[str]:
    """The names of the arrays in a `.npz`, which is a zip file."""
    with zipfile.ZipFile(path) as archive:
        return [member.removesuffix(".npy") for member in archive.namelist()]


def read_npz(path: str | Path, names: tuple[str, ...] | None = None) -> dict[str, NDArray[Any]]:
    """The arrays of a `.npz`: all, or those of `names` that it holds; InputError if it cannot be read or holds a pickle."""
    file = existing_file(path)
    arrays: dict[str, NDArray[Any]] = {}
    name = ""
    try:
        members = npz_names(file)
        held = set(members)
        if len(held) != len(members):
            raise InputError(f"{path}: two arrays have one name", "write it again with numpy.savez")
        _check_sizes(file, path, members if names is None else names)
        with np.load(file, allow_pickle=False) as content:
            for name in members if names is None else [n for n in names if n in held]:
                arrays[name] = content[name]
    except InputError:
        raise
    except zipfile.BadZipFile as error:
        raise InputError(f"{path}: not an .npz file ({error})", "write it with numpy.savez(file, name=array)") from None
    except _UNREADABLE + token_errors() as error:
        _refuse_pickle(error, f"{path}: array {name!r}")
        raise InputError(f"{path}: cannot read array {name!r} ({error})", "write it again with numpy.savez") from None
    for name, array in arrays.items():
        if isinstance(array, np.ndarray) and array.dtype.kind == "U" and not _are_letters(array):
            raise InputError(f"{path}: array {name!r} holds texts of no letters", "write it again with numpy.savez")
        if not isinstance(array, np.ndarray):  # numpy returns a member that is no .npy as bytes
            raise InputError(f"{path}: {name!r} is not an array", "write it with numpy.savez(file, name=array)")
    return arrays


def _check_sizes(file: Path, path: str | Path, names: Collection[str]) -> None:
    """InputError if the arrays take more memory than may be taken, or claim another size than their member has."""
    named = set(names)
    with zipfile.ZipFile(file) as archive:
        wanted = [info for info in archive.infolist() if info.filename.removesuffix(".npy") in named]
        size = sum(info.file_size for info in wanted)
        what = f"the content of its {len(wanted)} arrays" if len(wanted) != 1 else "the content of its array"
        refuse_beyond_memory(path, COPIES * size, what)
        for info in wanted:
            if info.filename.endswith(".npy"):
                try:
                    with archive.open(info) as content:
                        _bytes_of(content, info.file_size)
                except _UNREADABLE + token_errors() as error:
                    name = info.filename.removesuffix(".npy")
                    raise InputError(
                        f"{path}: cannot read array {name!r} ({error})", "write it again with numpy.savez"
                    ) from None


def _bytes_of(content: IO[bytes], size: int) -> int:
    """The bytes of the array that begins here, by its header. ValueError if they are more than the `size` of the file."""
    version = np.lib.format.read_magic(content)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(content)
    if dtype.hasobject:
        return 0
    needed = math.prod(shape) * dtype.itemsize
    if needed < 0 or needed > size or min(shape, default=0) < 0:
        raise ValueError(f"its header claims {needed} bytes, and the file has {size}")
    return int(needed)


def _are_letters(array: NDArray[Any]) -> bool:
    """True if every number in an array of texts is one of a letter; Python ends a text of others with a SystemError."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if not flat.dtype.itemsize or not flat.size:
        return True
    numbers = flat.view(np.dtype(np.uint32).newbyteorder(flat.dtype.byteorder))
    return int(numbers.max()) <= LAST_LETTER


def _refuse_pickle(error: Exception, subject: str) -> None:
    """InputError if numpy raised `error` because the array is pickled."""
    if "pickle" in str(error).lower() or "Object arrays" in str(error):
        message = f"{subject} holds Python objects (a pickle), which could run code"
        raise InputError(
            message, "store plain numbers or words: array.astype(float), .astype(int) or .astype(str)"
        ) from None
