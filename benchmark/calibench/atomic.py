"""Write files whole or not at all: a reader, a crash or a full disk never leaves half of one."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from calibench.errors import InputError, RunError
from calibench.files.regular_file import open_regular

_HOST = "".join(c if c.isalnum() else "-" for c in socket.gethostname())

_PART = 2**16
"""Bytes that a digest reads at once. `hashlib.file_digest` takes four times as many, and fills them with zeros first."""


def temporary_of(path: Path) -> Path:
    """A name beside `path` for this process; `writable_folders` removes the file after the process is gone."""
    return path.with_name(f".{path.name}.{_HOST}.{os.getpid()}.tmp")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`. If the block succeeds, the file is synced and replaces `path`; else it is removed.

    Raises RunError for a write that fails.
    """
    temporary = temporary_of(path)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}", "is the disk full?") from error
    except Exception as error:
        from safetensors import SafetensorError

        if not isinstance(error, SafetensorError):  # safetensors raises it for a failed write
            raise
        raise RunError(f"cannot write {path}: {error}", "is the disk full?") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def digest_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal. OSError for a pipe or a device."""
    import hashlib  # 5 ms, which listing names does not need

    digest = hashlib.sha256()
    with open_regular(path) as file:
        while part := file.read(_PART):
            digest.update(part)
    return digest.hexdigest()


def write_json(path: Path, document: Any) -> None:
    """`document` as indented UTF-8 JSON, atomically; NaN is refused, since it is not JSON."""
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def writable_folder(path: Path) -> None:
    """`writable_folders` for one folder."""
    writable_folders([path])


def writable_folders(paths: Sequence[Path]) -> None:
    """Create missing folders, try a write in each, and remove temporary files of killed processes of this machine.

    Raises InputError if a folder cannot be written; the folders that it created are then removed.
    """
    missing = _missing(paths)
    path = Path()
    try:
        for path in paths:
            path.mkdir(parents=True, exist_ok=True)
            probe = path / f".probe.{_HOST}.{os.getpid()}.tmp"
            probe.write_bytes(b"x")
            probe.unlink()
    except OSError as error:
        _remove_empty(missing)
        raise InputError(f"cannot write in {str(path)!r}: {error.strerror or error}", "name another folder") from error
    for folder in paths:
        _sweep(folder)


@contextlib.contextmanager
def filling_folder(path: Path) -> Iterator[None]:
    """`writable_folder` for the block; if the block raises, folders that this created and that are still empty are removed."""
    missing = _missing([path])
    writable_folder(path)
    try:
        yield
    except BaseException:
        _remove_empty(missing)
        raise


def _missing(paths: Sequence[Path]) -> list[Path]:
    """The folders and those above them that do not exist, the deepest first."""
    missing = {folder for path in paths for folder in (path, *path.parents) if not folder.exists()}
    return sorted(missing, key=lambda folder: -len(folder.parts))


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _sweep(folder: Path) -> None:
    for leftover in folder.glob(f".*.{_HOST}.*.tmp"):
        owner = leftover.name.rsplit(".", 2)[-2]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists() and Path("/proc").exists():
            leftover.unlink(missing_ok=True)


def refuse_overwriting(output: Path, *read: str | Path | None) -> None:
    """InputError if `output` is one of the files that are read; None and other names are passed over."""
    for source in read:
        if source is not None and output.exists() and Path(source).exists() and output.samefile(source):
            raise InputError(f"{output} is the file that is read", "write to another file")


def refuse_missing_folder(file: Path) -> None:
    """InputError if the file's folder is not there."""
    if not file.parent.is_dir():
        raise InputError(f"{file}: there is no folder {str(file.parent)!r}", "make it, or name another one")
