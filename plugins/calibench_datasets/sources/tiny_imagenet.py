"""`tiny-imagenet`: 200 classes of ImageNet at 64x64, from the course's zip or what was extracted from it."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calibench import Arrays, DatasetSpec, InputError
from calibench.data.folder import data_folder
from calibench.data.published import PublishedFile
from calibench.lazy import np
from calibench_datasets.sources.members import LARGEST, refuse_outside
from calibench_datasets.sources.pictures import picture, pillow

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 64


@dataclass(frozen=True)
class TinyImageNet:
    """The archive, the folder in it, and how many classes, training images a class and validation images it has."""

    archive: PublishedFile
    folder: str
    classes: int
    per_class: int
    val: int


TINY_IMAGENET = TinyImageNet(
    archive=PublishedFile(
        "tiny-imagenet-200.zip",
        "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
        248_100_043,
        md5="90528d7ca1a48142e341f4ef8d21d0de",
    ),
    folder="tiny-imagenet-200",
    classes=200,
    per_class=500,
    val=10_000,
)

Fetch = Callable[[str], bytes]


SPEC = DatasetSpec(
    name="tiny-imagenet",
    target=f"{__name__}:tiny_imagenet",
    summary="Tiny ImageNet: 100 000 + 10 000 colour images 64x64 of 200 classes; tiny-imagenet-200.zip, extra vision.",
    licence="ImageNet's terms: non-commercial research and education",
    source="http://cs231n.stanford.edu/tiny-imagenet-200.zip (248 MB) or what it holds; test is the official val split",
    paper="Y. Le, X. Yang, Tiny ImageNet Visual Recognition Challenge, 2015",
)


def tiny_imagenet() -> Arrays:
    """100 000 training images `[3, 64, 64]` and, as test, the 10 000 of the official validation split, 200 classes.

    Classes stand in the order of wnids.txt; training images by class and number, test images as val_annotations.txt lists
    them. The official test split has no labels and is left out. Grey pictures become colour. As float32 the rows are
    5.4 GB, and those of train are held twice while splits are cut. From `tiny-imagenet-200.zip` (its MD5 is checked) or
    the folder `tiny-imagenet-200` (the form and the number of files are). Needs Pillow, extra vision. Y. Le, X. Yang,
    Tiny ImageNet Visual Recognition Challenge, 2015.
    """
    pillow()
    tiny, folder, where = TINY_IMAGENET, data_folder(), "dataset tiny-imagenet"
    extracted = folder.local("tiny-imagenet", tiny.folder)
    if extracted is not None and folder.local("tiny-imagenet", tiny.archive.name) is None:
        origin = f"read from the folder {tiny.folder}, which has no published checksum"
        return _read(lambda name: _from_folder(extracted, name, where), where, origin)
    path = folder.get("tiny-imagenet", tiny.archive, f", or the folder {tiny.folder} that it holds")
    origin = f"read from {tiny.archive.name}, {tiny.archive.checksum}"
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                refuse_outside(member.filename, where)
                if stat.S_ISLNK(member.external_attr >> 16):
                    message = f"{where}: the member {member.filename!r} is a link"
                    raise InputError(message, "do not use this file; fetch the published one")
            return _read(lambda name: _from_zip(archive, f"{tiny.folder}/{name}", where), where, origin)
    except (zipfile.BadZipFile, OSError) as error:
        message = f"{where}: {str(path)!r} is damaged or cut short: {error}"
        raise InputError(message, "remove it and fetch the published file again") from None


def _read(fetch: Fetch, where: str, origin: str) -> Arrays:
    tiny = TINY_IMAGENET
    ids = _text(fetch, "wnids.txt", where).split()
    if len(set(ids)) != tiny.classes or len(ids) != tiny.classes:
        raise InputError(f"{where}: wnids.txt does not list {tiny.classes} classes", "fetch the published file")
    number = {wnid: i for i, wnid in enumerate(ids)}
    words = dict(line.split("\t", 1) for line in _text(fetch, "words.txt", where).splitlines() if "\t" in line)
    listed = [line.split("\t") for line in _text(fetch, "val/val_annotations.txt", where).splitlines() if line]
    for line in listed:
        if len(line) < 2 or line[1] not in number:
            message = f"{where}: val_annotations.txt has the line {' '.join(line)!r}, no file and class"
            raise InputError(message, "fetch the published file")
    if len({line[0] for line in listed}) != tiny.val or len(listed) != tiny.val:
        raise InputError(f"{where}: val_annotations.txt does not list {tiny.val} files", "fetch the published file")
    train = [f"train/{wnid}/images/{wnid}_{i}.JPEG" for wnid in ids for i in range(tiny.per_class)]
    names = [words.get(wnid, wnid).partition(",")[0].strip() for wnid in ids]
    return Arrays(
        x=_pictures(fetch, train, where),
        y=np.repeat(np.arange(tiny.classes), tiny.per_class),
        test=(
            _pictures(fetch, [f"val/images/{line[0]}" for line in listed], where),
            np.array([number[line[1]] for line in listed], dtype=np.int64),
        ),
        notes=(f"classes in order: {', '.join(names)}", origin, "test is the official validation split"),
        repeats="drop",
    )


def _pictures(fetch: Fetch, names: Iterable[str], where: str) -> NDArray[np.uint8]:
    names = list(names)
    rows = np.empty((len(names), 3, SIDE, SIDE), dtype=np.uint8)
    for row, name in enumerate(names):
        found = picture(fetch(name), f"{where}: {name}", colour=True, size=None, most=SIDE * SIDE)
        if found.shape != rows.shape[1:]:
            message = f"{where}: {name} has {found.shape[1]} x {found.shape[2]} pixels, not {SIDE} x {SIDE}"
            raise InputError(message, "fetch the published file")
        rows[row] = found
    return rows


def _text(fetch: Fetch, name: str, where: str) -> str:
    try:
        return fetch(name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: {name} is not UTF-8: {error.reason}", "fetch the published file") from None


def _from_folder(folder: Path, name: str, where: str) -> bytes:
    refuse_outside(name, where)
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        message = f"{where}: cannot read {str(folder / name)!r}: {error.strerror or error}"
        raise InputError(message, f"extract {TINY_IMAGENET.archive.name} again") from None


def _from_zip(archive: zipfile.ZipFile, name: str, where: str) -> bytes:
    """One member; the zip's own checksum of it is checked in reading."""
    try:
        if archive.getinfo(name).file_size > LARGEST:
            raise InputError(f"{where}: {name!r} claims {archive.getinfo(name).file_size} bytes", "fetch it again")
        return archive.read(name)
    except KeyError:
        raise InputError(f"{where}: the archive has no member {name!r}", "fetch the published file") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise InputError(f"{where}: the member {name!r} is damaged: {error}", "fetch the published file") from None
