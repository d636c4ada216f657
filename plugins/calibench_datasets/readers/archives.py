"""Members of archives, read without extracting them. An archive whose members point outside of it is refused."""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from calibench import InputError
from calibench.data.folder import data_folder
from calibench.data.published import PublishedFile
from calibench_datasets.readers.files import FETCH, damaged_file

LARGEST = 1 << 30
"""Bytes of the largest member that is read into memory. No published member is that large: a larger one is a bomb."""

DISTRUST = "do not use this file; fetch the published one"


def extracted_folder(dataset: str, archive: PublishedFile, folder: str) -> Path | None:
    """The folder that `archive` was extracted into; None if it is missing, or if the archive is there and is read instead."""
    path = data_folder().local(dataset, folder)
    return path if path is not None and data_folder().local(dataset, archive.name) is None else None


def archive_path(dataset: str, archive: PublishedFile, folder: str) -> Path:
    """The archive with its published size and checksum; the error for a missing one names `folder` as the alternative."""
    return data_folder().get(dataset, archive, f", or the folder {folder} that it holds")


def refuse_outside(name: str, where: str) -> None:
    """InputError for a member name that is absolute or leaves its folder (`..`)."""
    if name.startswith(("/", "\\")) or ":" in name or ".." in PurePosixPath(name.replace("\\", "/")).parts:
        raise InputError(f"{where}: the member {name!r} points outside of the archive", DISTRUST)


def tar_members(path: Path, names: Iterable[str], where: str) -> dict[str, bytes]:
    """The content of the members `names` of a `.tar.gz`, by name.

    InputError if one is missing, if the archive is damaged or cut short, or if any member is a link or a device, or has an
    absolute name or `..` in its name.
    """
    missing = set(names)
    contents: dict[str, bytes] = {}
    try:
        with gzip.open(path) as raw, tarfile.open(fileobj=raw, mode="r:") as archive:
            for member in archive:
                _refuse_unsafe(member, where)
                if member.name in missing and member.isreg():
                    contents[member.name] = _content(archive, member, where)
                    missing.discard(member.name)
            while raw.read(1 << 20):  # at the end gzip compares its own checksum
                pass
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise damaged_file(path, where, error) from None
    if missing:
        raise InputError(f"{where}: {str(path)!r} has no member {min(missing)!r}", FETCH)
    return contents


def _refuse_unsafe(member: tarfile.TarInfo, where: str) -> None:
    refuse_outside(member.name, where)
    if not (member.isreg() or member.isdir()):
        raise InputError(f"{where}: the member {member.name!r} is a link or a device", DISTRUST)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, where: str) -> bytes:
    if member.size > LARGEST:
        raise InputError(f"{where}: {member.name!r} claims {member.size} bytes", "fetch it again")
    content = archive.extractfile(member)
    assert content is not None  # true of every regular member
    return content.read()


def refuse_unsafe_zip(archive: zipfile.ZipFile, where: str) -> None:
    """InputError if a member of the zip is a link, or has an absolute name or `..` in its name."""
    for member in archive.infolist():
        refuse_outside(member.filename, where)
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InputError(f"{where}: the member {member.filename!r} is a link", DISTRUST)


def zip_member(archive: zipfile.ZipFile, name: str, where: str) -> bytes:
    """The content of one member. The zip's own checksum of it is compared; InputError if it is missing or damaged."""
    try:
        if archive.getinfo(name).file_size > LARGEST:
            raise InputError(f"{where}: {name!r} claims {archive.getinfo(name).file_size} bytes", "fetch it again")
        return archive.read(name)
    except KeyError:
        raise InputError(f"{where}: the archive has no member {name!r}", FETCH) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise InputError(f"{where}: the member {name!r} is damaged: {error}", FETCH) from None
