"""Open a file of a stranger: a regular file of a bounded size, or an error; a pipe or a device is never opened to be read."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

LARGEST_TEXT = 1 << 26
"""Bytes of a JSON or TOML document that is read whole (64 MiB). A record of a long run has a hundredth of it."""

PART = 1 << 16

KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}
"""What a path may lead to that is neither a file nor a folder."""


def open_regular(path: Path) -> io.FileIO:
    """The file, opened to be read without a buffer. OSError for whatever is no regular file.

    A pipe without a writer would block for ever, and a device has no end. Both are told by `stat` before they are opened; what
    takes the place of a file in between is opened without blocking, and told again.
    """
    _refuse_special(path, path.stat().st_mode)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    try:
        _refuse_special(path, os.fstat(descriptor).st_mode)
        return io.FileIO(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, most: int = LARGEST_TEXT) -> bytes:
    """The content of a regular file. OSError if it is none, or has more than `most` bytes."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"it has {size} bytes, and {most} are the most that is read")
        content = bytearray()
        while part := file.read(max(size - len(content), 0) + PART):
            content += part
            if len(content) > most:  # it grew meanwhile, or the system tells no size, as under /proc
                raise OSError(errno.EFBIG, f"it has over {most} bytes, the most that is read")
    return bytes(content)


def _refuse_special(path: Path, mode: int) -> None:
    kind = KINDS.get(stat.S_IFMT(mode))
    if kind is not None:
        raise OSError(errno.EINVAL, f"{kind}, not a file", str(path))
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
