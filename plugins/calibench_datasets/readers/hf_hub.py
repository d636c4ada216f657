"""The files of a Hugging Face data set: a folder, a Parquet file, or a snapshot of the Hub in a cache."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path

from calibench import InputError, RunError
from calibench.data.folder import VARIABLE, DataFolder, data_folder

_HUB_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)?\Z")


def locate(path: str, revision: str | None, where: str) -> tuple[Path, str]:
    """The folder or Parquet file of a set, and the record's note on its origin.

    InputError if `path` is neither local nor ORG/NAME with a `revision`, or if the set is not here and no download was asked
    for; RunError if the download fails.
    """
    local = Path(path).expanduser()
    if local.is_dir() or local.is_file():
        if revision is not None:
            raise InputError(f"{where}: revision={revision} would do nothing, {path!r} is here", "leave it out")
        if local.is_file() and local.suffix.lower() != ".parquet":
            message = f"{where}: {path!r} is not a Parquet file"
            raise InputError(message, "name a folder, a .parquet file, or ORG/NAME")
        return local, f"read from {local.name}"
    if not _HUB_NAME.match(path):
        raise InputError(f"{where}: there is no such folder, and it is not ORG/NAME on the Hub", "check the path")
    if revision is None:
        message = f"{where}: there is no such folder, and a set on the Hub needs revision="
        raise InputError(message, "revision=COMMIT pins it for good; revision=main is the newest version")
    snapshot = _snapshot(path, revision, data_folder(), where)
    return snapshot, f"read from {path} on the Hugging Face Hub, revision {revision}, commit {snapshot.name}"


def reason(error: Exception) -> str:
    """The beginning of a library's message, on one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def licence(folder: Path) -> str:
    """The licence in the set's README, or an empty string; the library itself does not pass it on."""
    from huggingface_hub import DatasetCard

    card = folder / "README.md"
    if not card.is_file():
        return ""
    content = card.read_text(encoding="utf-8", errors="replace")
    licences = DatasetCard(content, ignore_metadata_errors=True).data.get("license")
    return ", ".join(map(str, licences)) if isinstance(licences, list) else str(licences or "")


def _snapshot(name: str, revision: str, folder: DataFolder, where: str) -> Path:
    """A complete copy of the set's files, from the data folder or the usual Hugging Face cache, or fetched on request."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    cache = folder.path / "huggingface" / re.sub(r"[^\w.-]", "--", f"{name}@{revision}")
    for place in (cache, None):
        with suppress(LocalEntryNotFoundError, OSError):
            return Path(
                snapshot_download(name, repo_type="dataset", revision=revision, cache_dir=place, local_files_only=True)
            )
    if not folder.download:
        from huggingface_hub.constants import HF_HUB_CACHE

        message = f"{where} at {revision} is neither in {str(cache)!r} nor in {HF_HUB_CACHE!r}"
        command = f"hf download {name} --repo-type dataset --revision {revision}"
        ways = f"--download fetches it from https://huggingface.co/datasets/{name}; so does {command}"
        raise InputError(message, f"{ways}; --data-dir or {VARIABLE} names another folder")
    _fetch(name, revision, cache, where)
    return Path(snapshot_download(name, repo_type="dataset", revision=revision, cache_dir=cache, local_files_only=True))


def _fetch(name: str, revision: str, cache: Path, where: str) -> None:
    """Fetch the files of one revision into `cache`, which has the suffix .part until it is complete."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    part = cache.with_name(f"{cache.name}.part")
    try:
        snapshot_download(name, repo_type="dataset", revision=revision, cache_dir=part, ignore_patterns=["*.py"])
        part.rename(cache)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        _remove(part)
        missing = "revision" if isinstance(error, RevisionNotFoundError) else "public set"
        message = f"{where}: the Hub has no such {missing}"
        raise InputError(message, "check ORG/NAME and revision; hf auth login") from None
    except Exception as error:  # its HTTP library raises nearly anything
        if not any(file.is_file() and file.stat().st_size for file in part.rglob("blobs/*")):
            _remove(part)
        hint = "run again: complete files are kept; is HF_HUB_OFFLINE set?"
        raise RunError(f"{where}: cannot download it from the Hugging Face Hub: {reason(error)}", hint) from None


def _remove(part: Path) -> None:
    """Remove a download, and the folder of caches and the data folder if they are empty then."""
    shutil.rmtree(part, ignore_errors=True)
    for folder in (part.parent, part.parent.parent):
        with suppress(OSError):
            folder.rmdir()
