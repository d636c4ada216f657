"""Results behind a URL, such as s3://bucket/prefix (extra `s3`): a folder on this machine mirrors them.

A run is written to the mirror, and copied to the URL as it ends: first its predictions, then its record. So a record that is at
the URL is whole, and so are its predictions. A file of the mirror has the time of change of its original.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import re
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calibench.atomic import temporary_of, writable_folder
from calibench.errors import InputError, RunError
from calibench.records.field_types import PREDICTIONS, is_file_name
from calibench.records.store import RECORDS

MIRRORS = "CALIBENCH_MIRRORS"
"""The variable that names the folder of mirrors. Default: ~/.cache/calibench/mirrors."""

PARTS = 200
"""So many files are downloaded together."""

NEW_SECONDS = 60
"""A record of the mirror is new for so long."""

_TIMES = ("LastModified", "mtime", "last_modified", "updated", "created")
"""What file systems call the time of change."""


class RemoteResults:
    """The results at a URL, and their mirror. InputError if the URL cannot be read or fsspec is missing."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        if not url.partition("://")[2].strip("/"):
            raise InputError(f"{url}: it names no bucket or folder", "as in s3://bucket/results")
        digest = hashlib.sha256(self.url.encode()).hexdigest()[:8]
        root = Path(os.environ.get(MIRRORS) or Path.home() / ".cache" / "calibench" / "mirrors")
        self.mirror = root / f"{re.sub(r'[^A-Za-z0-9.]+', '-', self.url)[:60]}-{digest}"
        try:
            import fsspec

            self._fs, self._root = fsspec.core.url_to_fs(self.url)
            if "memory" in self._fs.protocol:
                raise ValueError("it ends with this process")
        except ImportError as error:
            raise InputError(f"{self.url}: {error}", 'pip install "calibench[s3]" for s3://') from None
        except ValueError as error:
            hint = "name a folder, or a URL that fsspec reads, such as s3://bucket/results"
            raise InputError(f"{self.url}: {error}", hint) from None

    def fetch(self, folder: str, names: Collection[str] | None = None) -> None:
        """Download the files of one folder that are new or changed; of `names` alone, if they are stated.

        Records that are no longer at the URL leave the mirror.
        """
        with _reading(self.url):
            self._fs.invalidate_cache()
            found = self._fs.find(f"{self._root}/{folder}", detail=True)
        wanted = []
        for path, info in sorted(found.items()):
            name = path.rpartition("/")[2]
            wanted_name = is_file_name(name) and (names is None or name in names)
            if wanted_name and not _is_same(self.mirror / folder / name, info):
                wanted.append((path, info))
        if folder == RECORDS and names is None:
            _remove_others(self.mirror / folder, {path.rpartition("/")[2] for path in found})
        for start in range(0, len(wanted), PARTS):
            self._download(folder, wanted[start : start + PARTS])

    def _download(self, folder: str, wanted: Sequence[tuple[str, dict[str, Any]]]) -> None:
        writable_folder(self.mirror / folder)
        places = [self.mirror / folder / path.rpartition("/")[2] for path, _ in wanted]
        temporary = [temporary_of(place) for place in places]
        try:
            with _reading(self.url):
                self._fs.get([path for path, _ in wanted], [str(path) for path in temporary])
            for part, place, (_, info) in zip(temporary, places, wanted, strict=True):
                _set_time(part, info)
                part.replace(place)
        finally:
            for part in temporary:
                part.unlink(missing_ok=True)

    def fetch_run(self, run_id: str) -> None:
        """Download the record of a run if the mirror has none."""
        record = self.mirror / RECORDS / f"{run_id}.json"
        if not record.exists():
            with _reading(self.url):
                found = self._fs.info(self._remote(record))
            self._download(RECORDS, [(self._remote(record), found)])

    def upload_run(self, run_id: str) -> None:
        """Copy a run of the mirror to the URL, its record last; RunError if that fails."""
        record = self.mirror / RECORDS / f"{run_id}.json"
        if not self._has(record):
            self.upload(self.mirror / PREDICTIONS / f"{run_id}.safetensors")
            self.upload(record)

    def upload(self, file: Path) -> None:
        """Copy a file of the mirror to the URL; RunError if that fails."""
        try:
            self._fs.makedirs(self._remote(file).rpartition("/")[0], exist_ok=True)
            self._fs.put_file(str(file), self._remote(file))
            self._fs.invalidate_cache()
            _set_time(file, self._fs.info(self._remote(file)))
        except Exception as error:
            raise RunError(f"cannot write {self._remote(file)}: {error}", "the mirror has it: run again") from error

    def _has(self, file: Path) -> bool:
        try:
            self._fs.invalidate_cache()
            return _is_same(file, self._fs.info(self._remote(file)))
        except FileNotFoundError:
            return False
        except Exception as error:
            raise RunError(f"cannot read {self._remote(file)}: {error}", "the mirror has it: run again") from error

    def _remote(self, file: Path) -> str:
        return f"{self._root}/{file.relative_to(self.mirror).as_posix()}"


def fetch_results(url: str) -> Path:
    """The mirror of the results at `url`, with every record and its predictions; InputError if there are none."""
    remote = RemoteResults(url)
    for folder in (RECORDS, PREDICTIONS):
        remote.fetch(folder)
    if not any((remote.mirror / RECORDS).glob("*.json")):
        raise InputError(f"there are no records at {url}", f"make some: calibench sweep quick-v1 --results {url}")
    return remote.mirror


def _remove_others(folder: Path, names: Collection[str]) -> None:
    """Remove the records that are not among `names`, but for new ones, which may be on their way to the URL."""
    newest = time.time() - NEW_SECONDS
    for file in folder.glob("*.json"):
        with contextlib.suppress(OSError):
            if file.name not in names and file.stat().st_mtime < newest:
                file.unlink()


@contextmanager
def _reading(url: str) -> Iterator[None]:
    """InputError for whatever a file system raises inside the block; a folder that is not there is empty."""
    try:
        yield
    except (InputError, ImportError):
        raise
    except Exception as error:
        hint = "are the bucket, the credentials and AWS_ENDPOINT_URL right?" if url.startswith("s3:") else ""
        raise InputError(f"cannot read {url}: {type(error).__name__}: {error}", hint) from error


def _time_of(info: dict[str, Any]) -> int | None:
    """The time of change in nanoseconds, if the file system tells it."""
    value = next((info[name] for name in _TIMES if info.get(name) is not None), None)
    if isinstance(value, datetime.datetime):
        return int(value.timestamp()) * 10**9 + value.microsecond * 1000
    return None if value is None else int(float(value) * 1e9)


def _set_time(file: Path, info: dict[str, Any]) -> None:
    changed = _time_of(info)
    if changed is not None:
        os.utime(file, ns=(changed, changed))


def _is_same(file: Path, info: dict[str, Any]) -> bool:
    """True if a file of the mirror has the size and time of its original."""
    with contextlib.suppress(OSError):
        state = file.stat()
        return state.st_size == info.get("size") and _time_of(info) in (None, state.st_mtime_ns)
    return False
