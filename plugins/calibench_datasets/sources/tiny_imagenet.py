"""`tiny-imagenet`: 200 classes of ImageNet at 64x64, from the course's zip or the folder extracted from it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calibench import Arrays, DatasetSpec, InputError
from calibench.data.published import PublishedFile
from calibench.lazy import np
from calibench_datasets.readers.archives import (
    archive_path,
    extracted_folder,
    refuse_outside,
    refuse_unsafe_zip,
    zip_member,
)
from calibench_datasets.readers.files import FETCH, damaged_file, read_bytes
from calibench_datasets.readers.image_files import decode_image, pillow

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 64


@dataclass(frozen=True)
class TinyImageNet:
    """The archive, the folder in it, and the numbers of classes, training images a class and validation images."""

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

Read = Callable[[str], bytes]
"""Returns the content of a file of the set by its path in the folder `tiny-imagenet-200`."""


SPEC = DatasetSpec(
    name="tiny-imagenet",
    target=f"{__name__}:tiny_imagenet",
    summary="Tiny ImageNet: 100 000 + 10 000 colour images 64x64 of 200 classes; tiny-imagenet-200.zip, extra vision.",
    licence="ImageNet's terms: non-commercial research and education",
    source="http://cs231n.stanford.edu/tiny-imagenet-200.zip (248 MB) or the folder in it; test is the official val split",
    paper="Y. Le, X. Yang, Tiny ImageNet Visual Recognition Challenge, 2015",
)


def tiny_imagenet() -> Arrays:
    """100 000 training images `[3, 64, 64]` and, as test, the 10 000 of the official validation split, 200 classes.

    Classes are in the order of wnids.txt, training images ordered by class and number, test images as val_annotations.txt
    lists them. The official test split has no labels and is left out. Grey images become colour. As float32 the rows are
    5.4 GB, and those of train are in memory twice while splits are cut. Read from `tiny-imagenet-200.zip` (its MD5 is checked) or
    the folder `tiny-imagenet-200` (the form and the number of files are checked). Needs Pillow, extra vision. Y. Le, X. Yang,
    Tiny ImageNet Visual Recognition Challenge, 2015.
    """
    pillow()
    tiny, where = TINY_IMAGENET, "dataset tiny-imagenet"
    folder = extracted_folder("tiny-imagenet", tiny.archive, tiny.folder)
    if folder is not None:
        origin = f"read from the folder {tiny.folder}, which has no published checksum"
        return _arrays(lambda name: _from_folder(folder, name, where), where, origin)
    path = archive_path("tiny-imagenet", tiny.archive, tiny.folder)
    origin = f"read from {tiny.archive.name}, {tiny.archive.checksum}"
    try:
        with zipfile.ZipFile(path) as archive:
            refuse_unsafe_zip(archive, where)
            return _arrays(lambda name: zip_member(archive, f"{tiny.folder}/{name}", where), where, origin)
    except (zipfile.BadZipFile, OSError) as error:
        raise damaged_file(path, where, error) from None


def _arrays(read: Read, where: str, origin: str) -> Arrays:
    tiny = TINY_IMAGENET
    wnids = _class_ids(read, where)
    names, labels = _validation_files(read, wnids, where)
    train = [f"train/{wnid}/images/{wnid}_{i}.JPEG" for wnid in wnids for i in range(tiny.per_class)]
    classes = f"classes in order: {', '.join(_class_words(read, wnids, where))}"
    return Arrays(
        x=_read_images(read, train, where),
        y=np.repeat(np.arange(tiny.classes), tiny.per_class),
        test=(_read_images(read, names, where), labels),
        notes=(classes, origin, "test is the official validation split"),
        repeats="drop",
    )


def _class_ids(read: Read, where: str) -> list[str]:
    """WordNet ids of the classes in order, from wnids.txt."""
    wnids = _text(read, "wnids.txt", where).split()
    if len(set(wnids)) != TINY_IMAGENET.classes or len(wnids) != TINY_IMAGENET.classes:
        raise InputError(f"{where}: wnids.txt does not list {TINY_IMAGENET.classes} classes", FETCH)
    return wnids


def _class_words(read: Read, wnids: list[str], where: str) -> list[str]:
    """The first word for each class in words.txt; the WordNet id of a class that is not there."""
    words = dict(line.split("\t", 1) for line in _text(read, "words.txt", where).splitlines() if "\t" in line)
    return [words.get(wnid, wnid).partition(",")[0].strip() for wnid in wnids]


def _validation_files(read: Read, wnids: list[str], where: str) -> tuple[list[str], NDArray[np.int64]]:
    """Paths and class indices of the validation images, from val_annotations.txt."""
    number = {wnid: i for i, wnid in enumerate(wnids)}
    lines = [line.split("\t") for line in _text(read, "val/val_annotations.txt", where).splitlines() if line]
    for line in lines:
        if len(line) < 2 or line[1] not in number:
            message = f"{where}: val_annotations.txt has the line {' '.join(line)!r}, which is not a file and its class"
            raise InputError(message, FETCH)
    files = [line[0] for line in lines]
    if len(set(files)) != TINY_IMAGENET.val or len(files) != TINY_IMAGENET.val:
        raise InputError(f"{where}: val_annotations.txt does not list {TINY_IMAGENET.val} files", FETCH)
    return [f"val/images/{file}" for file in files], np.array([number[line[1]] for line in lines], dtype=np.int64)


def _read_images(read: Read, names: list[str], where: str) -> NDArray[np.uint8]:
    rows = np.empty((len(names), 3, SIDE, SIDE), dtype=np.uint8)
    for row, name in enumerate(names):
        image = decode_image(read(name), f"{where}: {name}", colour=True, size=None, most=SIDE * SIDE)
        if image.shape != rows.shape[1:]:
            message = f"{where}: {name} has {image.shape[1]} x {image.shape[2]} pixels, not {SIDE} x {SIDE}"
            raise InputError(message, FETCH)
        rows[row] = image
    return rows


def _text(read: Read, name: str, where: str) -> str:
    try:
        return read(name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: {name} is not UTF-8: {error.reason}", FETCH) from None


def _from_folder(folder: Path, name: str, where: str) -> bytes:
    refuse_outside(name, where)
    return read_bytes(folder / name, where, f"extract {TINY_IMAGENET.archive.name} again")
