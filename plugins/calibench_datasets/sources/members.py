"""Members of an archive, read where it lies: nothing is extracted, and an archive that would write elsewhere is refused."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from calibench import InputError

LARGEST = 1 << 30
"""No member of a data set that is read whole has as many bytes; what claims more is a bomb."""


def refuse_outside(name: str, where: str) -> None:
    """InputError for a member name that is absolute or climbs out of its folder (`..`)."""
    if name.startswith(("/", "\\")) or ":" in name or ".." in PurePosixPath(name.replace("\\", "/")).parts:
        message = f"{where}: the member {name!r} points outside of the archive"
        raise InputError(message, "do not use this file; fetch the published one")


def tar_members(path: Path, wanted: Iterable[str], where: str) -> dict[str, bytes]:
    """The content of the members `wanted` of a `.tar.gz`, by name.

    InputError where one is missing, where the archive is damaged or cut short, or where any member is a link or a device,
    has an absolute name or `..` in it.
    """
    missing = set(wanted)
    found: dict[str, bytes] = {}
    try:
        with gzip.open(path) as raw, tarfile.open(fileobj=raw, mode="r:") as archive:
            for member in archive:
                refuse_outside(member.name, where)
                if not (member.isreg() or member.isdir()):
                    message = f"{where}: the member {member.name!r} is a link or a device"
                    raise InputError(message, "do not use this file; fetch the published one")
                if member.name in missing and member.isreg():
                    if member.size > LARGEST:
                        raise InputError(f"{where}: {member.name!r} claims {member.size} bytes", "fetch it again")
                    content = archive.extractfile(member)
                    assert content is not None  # of a regular member
                    found[member.name] = content.read()
                    missing.discard(member.name)
            while raw.read(1 << 20):  # to the end, where gzip's own checksum stands
                pass
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        message = f"{where}: {str(path)!r} is damaged or cut short: {error}"
        raise InputError(message, "remove it and fetch the published file again") from None
    if missing:
        raise InputError(f"{where}: {str(path)!r} has no member {min(missing)!r}", "fetch the published file")
    return found
