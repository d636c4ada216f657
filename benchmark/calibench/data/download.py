"""Download a published file: resumed where it broke off, checked, and in place only when it is whole and right."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from calibench.atomic import writable_folder
from calibench.data.published import PublishedFile
from calibench.errors import RunError
from calibench.progress import Report

CHUNK = 1 << 18
LARGEST_UNKNOWN = 1 << 30
"""The most bytes that are read of a file whose size neither its publisher nor the server states."""
TIMEOUT_S = 60.0
"""A server that sends no byte for this long counts as dead; the bytes that have arrived are kept."""


class _WrongFileError(Exception):
    """The server's file differs from the published one: none of it may be kept."""


def download(file: PublishedFile, target: Path, report: Report) -> None:
    """Download `file` to `target` by way of `target.part`; progress goes to `report` in kB.

    If the transfer breaks off, its `.part` is kept and the next call requests the rest (`Range: bytes=N-`); if the server
    ignores the range and sends the whole file, that replaces the `.part`. RunError if the transfer fails, or if size or
    checksum differ from the published ones; in the latter case the `.part` is removed. Two processes never write one
    `.part`: the second ends with RunError.
    """
    new_folders = [folder for folder in (target.parent, *target.parent.parents) if not folder.exists()]
    writable_folder(target.parent)
    part = target.with_name(f"{target.name}.part")
    failed = f"cannot download {file.name} from {file.url}"
    by_hand = f"or fetch it by hand and put it into {str(target.parent)!r}"
    try:
        with part.open("ab") as out, _locked(out, part), _cleaning_up(part, new_folders):
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
        raise RunError(
            f"{failed}: {reason}", f"run again: the bytes that arrived are kept and resumed; {by_hand}"
        ) from error


def _fetch(file: PublishedFile, out: BinaryIO, report: Report) -> None:
    """Append to `out` the bytes of `file` that it lacks."""
    have = out.seek(0, os.SEEK_END)
    if file.size is None or have > file.size:  # of unknown size: the part may be the whole file, so start again
        have = out.truncate(0)
    if have == file.size:
        return
    request = urllib.request.Request(file.url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        if have and response.status != http.HTTPStatus.PARTIAL_CONTENT:
            have = out.truncate(0)
        _check_headers(file, response, have)
        size = file.size if response.length is None else have + response.length
        have = _append(file, response, out, have, LARGEST_UNKNOWN if size is None else size, report)
    if size is not None and have < size:
        raise http.client.HTTPException(f"the connection ended after {have} of {size} bytes")


def _check_headers(file: PublishedFile, response: http.client.HTTPResponse, have: int) -> None:
    """_WrongFileError unless the response continues after `have` bytes and ends at the file's published size."""
    sent = response.headers.get("Content-Range")
    if have and not str(sent).startswith(f"bytes {have}-"):
        raise _WrongFileError(f"asked for the bytes from {have} on, the server sent {sent}")
    if response.length is not None and file.size is not None and have + response.length != file.size:
        raise _WrongFileError(f"the server has {have + response.length} bytes, the published file {file.size}")


def _append(
    file: PublishedFile, response: http.client.HTTPResponse, out: BinaryIO, have: int, limit: int, report: Report
) -> int:
    """Append the response to the `have` bytes of `out`; returns how many it has then. _WrongFileError beyond `limit`."""
    while chunk := response.read(CHUNK):
        have += len(chunk)
        if have > limit:
            raise _WrongFileError(f"the server sends more than the {limit} bytes of the published file")
        out.write(chunk)
        report(f"download {file.name}", have // 1000, limit // 1000, "kB")
    return have


@contextlib.contextmanager
def _locked(out: BinaryIO, part: Path) -> Iterator[None]:
    try:
        fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunError(f"another process is downloading {str(part)!r}", "wait for it") from None
    yield  # closing the file releases the lock


@contextlib.contextmanager
def _cleaning_up(part: Path, new_folders: list[Path]) -> Iterator[None]:
    """At the end remove an empty `.part`, the `.part` of a wrong file, and those of the new folders that are empty."""
    try:
        yield
    except _WrongFileError:
        part.unlink(missing_ok=True)
        raise
    finally:
        with contextlib.suppress(OSError):
            if part.stat().st_size == 0:
                part.unlink()
        for folder in new_folders:
            with contextlib.suppress(OSError):
                folder.rmdir()
