"""Fetch a published file: resumed where it broke off, checked, and in place only when it is whole and right."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from calibench.atomic import writable_folder
from calibench.data.published import PublishedFile
from calibench.errors import RunError

CHUNK = 1 << 18
LARGEST_UNKNOWN = 1 << 30
"""Bytes that are taken of a file whose size neither its publisher nor the server says."""
TIMEOUT_S = 60.0
"""Without a byte for so long the server is taken for dead; what has come is kept."""


class _WrongFileError(Exception):
    """The server has another file than the published one: nothing of it may stay."""


def download(file: PublishedFile, target: Path, report: Callable[[str, int, int, str], None]) -> None:
    """`file` from its address to `target`, by way of `target.part`; progress goes to `report` in kB.

    A transfer that breaks off leaves its `.part`, and the next call asks for the rest (`Range: bytes=N-`; a server that
    sends the whole again is taken at its word). RunError where the transfer fails, or where size or checksum differ from
    the published ones; then the `.part` is removed. Two processes never write one `.part`: the second ends with RunError.
    """
    made = [folder for folder in (target.parent, *target.parent.parents) if not folder.exists()]
    writable_folder(target.parent)
    part = target.with_name(f"{target.name}.part")
    failed = f"cannot download {file.name} from {file.url}"
    by_hand = f"or fetch it by hand and put it into {str(target.parent)!r}"
    try:
        with part.open("ab") as out, _alone(out, part), _tidy(part, made):
            if target.exists():  # another process was quicker
                return
            _fetch(file, out, report)
            out.flush()
            os.fsync(out.fileno())
            if fault := file.fault(part):
                raise _WrongFileError(fault)
            part.replace(target)
    except _WrongFileError as error:
        raise RunError(f"{failed}: {error}", f"nothing of it was kept; try later, {by_hand}") from None
    except (OSError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise RunError(f"{failed}: {reason}", f"run again, what has come is kept and resumed; {by_hand}") from error


def _fetch(file: PublishedFile, out: BinaryIO, report: Callable[[str, int, int, str], None]) -> None:
    """Append to `out` what it lacks of `file`."""
    have = out.seek(0, os.SEEK_END)
    if file.size is None or have > file.size:  # of an unknown size: begin again, what there is may be the whole
        have = out.truncate(0)
    if have == file.size:
        return
    request = urllib.request.Request(file.url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        if have and answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            have = out.truncate(0)
        elif have and not str(answer.headers.get("Content-Range")).startswith(f"bytes {have}-"):
            raise _WrongFileError(f"asked for the bytes from {have} on, it sent {answer.headers.get('Content-Range')}")
        if answer.length is not None and file.size is not None and have + answer.length != file.size:
            raise _WrongFileError(f"the server has {have + answer.length} bytes, the published file {file.size}")
        whole = file.size if answer.length is None else have + answer.length
        most = LARGEST_UNKNOWN if whole is None else whole
        while chunk := answer.read(CHUNK):
            have += len(chunk)
            if have > most:
                raise _WrongFileError(f"the server sends more than the {most} bytes of the published file")
            out.write(chunk)
            report(f"download {file.name}", have // 1000, most // 1000, "kB")
    if whole is not None and have < whole:
        raise http.client.HTTPException(f"the connection ended after {have} of {whole} bytes")


@contextlib.contextmanager
def _alone(out: BinaryIO, part: Path) -> Iterator[None]:
    try:
        fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunError(f"another process is downloading {str(part)!r}", "wait for it") from None
    yield  # closing the file gives the lock back


@contextlib.contextmanager
def _tidy(part: Path, made: list[Path]) -> Iterator[None]:
    """In the end leave no empty `.part`, nor one of another file, and no empty folder that was not there before."""
    try:
        yield
    except _WrongFileError:
        part.unlink(missing_ok=True)
        raise
    finally:
        with contextlib.suppress(OSError):
            if part.stat().st_size == 0:
                part.unlink()
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
