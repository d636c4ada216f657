"""A lock on a path between processes of one machine, or of several that share a folder. It ends with the process that holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from calibench.atomic import writable_folder
from calibench.errors import RunError

LOCKS = "locks"
"""The folder of lock files, in the cache. They are empty and stay, since a new file of the same name would be another lock."""


@contextmanager
def locked(folder: Path, name: str, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock `name` of a cache folder inside the block; True if it is held.

    Another process that holds it is waited for. Without `wait` the block then runs with False. RunError if the file system has no
    locks.
    """
    if not (folder / LOCKS).is_dir():
        writable_folder(folder / LOCKS)
    lock = FileLock(folder / LOCKS / f"{name}.lock", thread_local=False)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        yield False
        return
    except (OSError, NotImplementedError) as error:
        message = f"cannot lock {lock.lock_file}: {error}"
        raise RunError(message, "name a results folder on a file system with locks") from error
    try:
        yield True
    finally:
        lock.release()
