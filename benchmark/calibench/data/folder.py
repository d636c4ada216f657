"""The data folder: where published archives lie, `--data-dir`, CALIBENCH_DATA or ~/.cache/calibench/data, in this order.

A dataset plugin asks for a file in one line: `path = data_folder().get("cifar10", ARCHIVE)`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from calibench.data.published import PublishedFile
from calibench.errors import InputError

VARIABLE = "CALIBENCH_DATA"
DEFAULT = "~/.cache/calibench/data"


def _quiet(what: str, done: int, total: int, note: str) -> None:
    """A report that says nothing."""


@dataclass(frozen=True)
class DataFolder:
    """A folder of archives, a subfolder for each dataset; files that lie in the folder itself are found too.

    Nothing is fetched unless `download` says so: a run on a machine without a network, or with a misspelt folder, then
    ends at once with what to do, and no one fetches 170 MB by a slip.
    """

    path: Path
    download: bool = False
    report: Callable[[str, int, int, str], None] = _quiet
    users: list[int] = field(default_factory=list, compare=False, repr=False)

    @property
    def asked(self) -> bool:
        """Whether anybody has asked for this folder."""
        return bool(self.users)

    def local(self, dataset: str, name: str) -> Path | None:
        """`PATH/dataset/name` or `PATH/name`, the first that is there; None if neither is. InputError if no one may look."""
        return next((place / name for place in (self.path / dataset, self.path) if _is_there(place / name)), None)

    def get(self, dataset: str, file: PublishedFile, instead: str = "") -> Path:
        """A copy of `file` whose size and checksum are right; fetched first if it is missing and `download` was asked for.

        InputError naming the file, the folders and the address where it is missing or another; `instead` says what else
        would do. RunError for a download that fails.
        """
        where = f"dataset {dataset}"
        found = self.local(dataset, file.name)
        if found is None and self.download:
            from calibench.data.download import download

            found = self.path / dataset / file.name
            download(file, found, self.report)
        elif found is None:
            folder = self.path / dataset
            message = f"{where}: there is no {file.name} in {str(folder)!r} or {str(self.path)!r}"
            ways = [f"--download fetches it ({file.megabytes}) from {file.url}", f"or put it there{instead}"]
            raise InputError(message, f"{'; '.join(ways)}; --data-dir or {VARIABLE} names another folder")
        again = (
            f"remove it and fetch it again, from {file.url} into {str(self.path / dataset)!r}, which is searched first"
        )
        file.check(found, where, again)
        return found


_CURRENT: ContextVar[DataFolder | None] = ContextVar("data_folder", default=None)


def data_folder() -> DataFolder:
    """The folder of the run under way; outside of one what CALIBENCH_DATA names, or the default."""
    folder = _CURRENT.get() or DataFolder(_usual())
    folder.users.append(1)
    return folder


@contextmanager
def using_data_folder(
    path: str | Path | None, download: bool, report: Callable[[str, int, int, str], None]
) -> Iterator[DataFolder]:
    """Inside the block `data_folder()` is `path` (None: CALIBENCH_DATA or the default); InputError if that is a file."""
    folder = _usual() if path is None else Path(path).expanduser()
    if _is_there(folder) and not folder.is_dir():
        raise InputError(f"data folder {str(folder)!r} is a file", f"--data-dir and {VARIABLE} name a folder")
    current = DataFolder(folder, download, report)
    token = _CURRENT.set(current)
    try:
        yield current
    finally:
        _CURRENT.reset(token)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError) as error:  # a name too long, a folder that is closed to us
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot look for {str(path)!r}: {reason}", "--data-dir names the data folder") from None


def _usual() -> Path:
    return Path(os.environ.get(VARIABLE) or DEFAULT).expanduser()
