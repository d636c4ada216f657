"""Standard input as a file: `-` in place of a name."""

from __future__ import annotations

import atexit
import functools
import shutil
import sys
import tempfile
from pathlib import Path

from calibench.data.numpy_files import existing_file
from calibench.errors import InputError
from calibench.files.memory_limit import in_bytes, memory_limit, raise_hint

NAME = "-"

PIECE = 1 << 20


def local_file(path: str | Path) -> Path:
    """The path of a file that is there; for `-` that of a copy of standard input, which lasts until the process ends.

    Raises InputError if no file is there, or standard input is empty or does not fit into memory.
    """
    return _copied() if str(path) == NAME else existing_file(path)


@functools.cache
def _copied() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="calibench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy, size, most = folder / "standard-input", 0, memory_limit()
    with copy.open("wb") as file:
        while piece := sys.stdin.buffer.read(PIECE):
            size += len(piece)
            if size > most:
                raise InputError(f"standard input has over {in_bytes(most)}, which is the limit", raise_hint(2 * size))
            file.write(piece)
    if not size:
        raise InputError("standard input is empty", "pipe a file in, as in: calibench evaluate - < outputs.csv")
    return copy
