"""The most memory that reading one file may take: `--max-memory`, else CALIBENCH_MAX_MEMORY, else half of what is free."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

from calibench.errors import InputError
from calibench.files.available_memory import available_memory

VARIABLE = "CALIBENCH_MAX_MEMORY"

SHARE = 0.5
"""Of the memory that is free, if the user names no limit. What is read is often copied once."""

UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2.0**10, "mi": 2.0**20, "gi": 2.0**30, "ti": 2.0**40}

_SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([kmgt]i?)?b?\s*\Z", re.I)

STATUS = Path("/proc/self/status")

SLACK = 1 << 28
"""Bytes for what reading takes beside the content: modules, and stacks of threads."""


def read_size(text: str, where: str) -> float:
    """The bytes of `8GB`, `500 MiB` or `1000000`. InputError for any other text."""
    match = _SIZE.match(text)
    if match is None or not float(match[1]):
        raise InputError(f"{where}: {text!r} is no size", "write it as 8GB, 500MB or 4GiB")
    return float(match[1]) * UNITS[(match[2] or "").lower()]


def memory_limit() -> float:
    """The most bytes that one file may take. Infinite where neither the user names a limit nor the system its memory."""
    named = os.environ.get(VARIABLE)
    if named:
        return read_size(named, VARIABLE)
    memory = available_memory()
    return math.inf if memory is None else SHARE * memory


def refuse_beyond_memory(path: object, needed: float, what: str = "its content", hint: str = "") -> None:
    """InputError if reading `path` needs more bytes than the limit; both sizes and the way to raise the limit are stated."""
    limit = memory_limit()
    if needed <= limit:
        return
    why = f"as {VARIABLE} says" if os.environ.get(VARIABLE) else "half of what is free"
    message = f"{path}: {what} takes {in_bytes(needed)} of memory, and {in_bytes(limit)} may be taken ({why})"
    raise InputError(message, f"{hint}{'; ' if hint else ''}{raise_hint(needed)}")


def raise_hint(needed: float) -> str:
    """How the limit is raised to so many bytes."""
    size = f"{math.ceil(1.05 * needed / 1e9)}GB"
    return f"{VARIABLE}={size}, or --max-memory {size} where the command has it, raises the limit"


def in_bytes(size: float) -> str:
    """`6.8 GB`, `512 MB`, `2 kB`."""
    unit = next((unit for unit in ("TB", "GB", "MB", "kB") if size >= UNITS[unit[0].lower()]), "bytes")
    return f"{size / UNITS['' if unit == 'bytes' else unit[0].lower()]:.3g} {unit}"


@contextlib.contextmanager
def within_memory(path: object) -> Iterator[None]:
    """InputError if the block takes more memory than the limit, for formats whose headers tell no size.

    The system refuses the memory (RLIMIT_DATA), so that nothing is filled. It counts all threads of the process. Where there is
    no such limit, the block runs without.
    """
    limit, taken = memory_limit(), _taken()
    try:
        import resource

        before = resource.getrlimit(resource.RLIMIT_DATA)
    except (ImportError, AttributeError, OSError):
        before = None
    if before is None or taken is None or math.isinf(limit):
        yield
        return
    most = taken + int(limit) + SLACK
    soft, hard = before
    if (soft != resource.RLIM_INFINITY and soft <= most) or (hard != resource.RLIM_INFINITY and hard <= most):
        yield  # the user's own limit is lower
        return
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        yield
    except MemoryError:
        message = f"{path}: reading it takes over {in_bytes(limit)} of memory, which is the limit"
        raise InputError(message, raise_hint(2 * limit)) from None
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _taken() -> int | None:
    """The bytes of data of this process; None where the system does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return None
