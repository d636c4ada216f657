"""The data folder, where published archives lie: `--data-dir`, else CALIBENCH_DATA, else ~/.cache/calibench/data.

A dataset plugin gets a file in one line: `path = data_folder().get("cifar10", ARCHIVE)`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from calibench.data.published import PublishedFile
from calibench.errors import InputError
from calibench.progress import Report, quiet

VARIABLE = "CALIBENCH_DATA"
DEFAULT = "~/.cache/calibench/data"


@dataclass(frozen=True)
class DataFolder:
    """A folder of archives, with a subfolder for each dataset; files in the folder itself are found too.

    It downloads nothing unless `download` is True. So a run on a machine without a network, or with a misspelt folder,
    ends at once with a remedy, and nobody downloads 170 MB by mistake.
    """

    path: Path
    download: bool = False
    report: Report = quiet
    users: list[int] = field(default_factory=list, compare=False, repr=False)

    @property
    def was_used(self) -> bool:
        """True if a plugin has called `data_folder()` to get this folder."""
        return bool(self.users)

    def local(self, dataset: str, name: str) -> Path | None:
        """`PATH/dataset/name`, else `PATH/name`, else None; InputError if the folder may not be read."""
        return next((place / name for place in (self.path / dataset, self.path) if _exists(place / name)), None)

    def get(self, dataset: str, file: PublishedFile, instead: str = "") -> Path:
        """A copy of `file` of the right size and checksum; a missing file is downloaded first if `download` is True.

        InputError, naming the file, the folders and the address, if the file is missing or differs from the published one;
        `instead` names another file or folder that the user may put there. RunError if the download fails.
        """
        where = f"dataset {dataset}"
        folder = self.path / dataset
        path = self.local(dataset, file.name)
        if path is None and not self.download:
            message = f"{where}: there is no {file.name} in {str(folder)!r} or {str(self.path)!r}"
            ways = [f"--download fetches it ({file.megabytes}) from {file.url}", f"or put it there{instead}"]
            raise InputError(message, f"{'; '.join(ways)}; --data-dir or {VARIABLE} names another folder")
        if path is None:
            from calibench.data.download import download

            path = folder / file.name
            download(file, path, self.report)
        hint = f"remove it and fetch it again, from {file.url} into {str(folder)!r}, which is searched first"
        file.check(path, where, hint)
        return path


_CURRENT: ContextVar[DataFolder | None] = ContextVar("data_folder", default=None)


def data_folder() -> DataFolder:
    """The folder of the current run; outside a run the one that CALIBENCH_DATA names, or the default."""
    folder = _CURRENT.get() or DataFolder(_default())
    folder.users.append(1)
    return folder


@contextmanager
def using_data_folder(path: str | Path | None, download: bool, report: Report) -> Iterator[DataFolder]:
    """Inside the block `data_folder()` is `path` (None: CALIBENCH_DATA or the default); InputError if `path` is a file."""
    folder = _default() if path is None else Path(path).expanduser()
    if _exists(folder) and not folder.is_dir():
        raise InputError(f"data folder {str(folder)!r} is a file", f"--data-dir and {VARIABLE} name a folder")
    current = DataFolder(folder, download, report)
    token = _CURRENT.set(current)
    try:
        yield current
    finally:
        _CURRENT.reset(token)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError) as error:  # a name that is too long, or a folder without permission
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot look for {str(path)!r}: {reason}", "--data-dir names the data folder") from None


def _default() -> Path:
    return Path(os.environ.get(VARIABLE) or DEFAULT).expanduser()
