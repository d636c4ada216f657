"""`cifar10` and `cifar100`: the authors' Python archives, or the folders extracted from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench import Arrays, DatasetSpec, InputError
from calibench.data.arrays import Pair
from calibench.data.published import PublishedFile
from calibench.lazy import np
from calibench_datasets.readers.archives import archive_path, extracted_folder, tar_members
from calibench_datasets.readers.files import FETCH, read_bytes
from calibench_datasets.readers.plain_pickle import read_plain_pickle

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOME = "https://www.cs.toronto.edu/~kriz"


@dataclass(frozen=True)
class Cifar:
    """One of the two sets: its archive, the folder in it, and the content of its batches.

    `train`, `test` and `meta` map names of batches to their MD5. `labels` and `names` are the keys of the labels and of the
    class names, `rows` the number of images of each split.
    """

    name: str
    archive: PublishedFile
    folder: str
    train: Mapping[str, str]
    test: Mapping[str, str]
    meta: Mapping[str, str]
    labels: str
    names: str
    classes: int
    rows: Mapping[str, int]

    @property
    def batches(self) -> dict[str, str]:
        """Every batch that is read, with the MD5 that torchvision has used for years; an empty MD5 is not checked."""
        return {**self.train, **self.test, **self.meta}


CIFAR10 = Cifar(
    name="cifar10",
    archive=PublishedFile(
        "cifar-10-python.tar.gz",
        f"{HOME}/cifar-10-python.tar.gz",
        170_498_071,
        md5="c58f30108f718f92721af3b95e74349a",
    ),
    folder="cifar-10-batches-py",
    train={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    },
    test={"test_batch": "40351d587109b95175f43aff81a1287e"},
    meta={"batches.meta": "5ff9c542aee3614f3951f8cda6e48888"},
    labels="labels",
    names="label_names",
    classes=10,
    rows={"train": 50_000, "test": 10_000},
)

CIFAR100 = Cifar(
    name="cifar100",
    archive=PublishedFile(
        "cifar-100-python.tar.gz",
        f"{HOME}/cifar-100-python.tar.gz",
        169_001_437,
        md5="eb9058c3a382ffc7106e4002c42a8d85",
    ),
    folder="cifar-100-python",
    train={"train": "16019d7e3df5f24257cddd939b257f8d"},
    test={"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
    meta={"meta": "7973b15100ade9c7d40fb424638fde48"},
    labels="fine_labels",
    names="fine_label_names",
    classes=100,
    rows={"train": 50_000, "test": 10_000},
)


SPECS = (
    DatasetSpec(
        name="cifar10",
        target=f"{__name__}:cifar10",
        summary="CIFAR-10: 50 000 + 10 000 colour images 32x32 of 10 kinds of things; from cifar-10-python.tar.gz.",
        licence="none stated; the authors ask for a citation",
        source="https://www.cs.toronto.edu/~kriz/cifar.html, cifar-10-python.tar.gz (170 MB) or the folder in it",
        paper="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        near_ood=("cifar100",),
        far_ood=("svhn",),
    ),
    DatasetSpec(
        name="cifar100",
        target=f"{__name__}:cifar100",
        summary="CIFAR-100: 50 000 + 10 000 colour images 32x32, 100 fine classes; from cifar-100-python.tar.gz.",
        licence="none stated; the authors ask for a citation",
        source="https://www.cs.toronto.edu/~kriz/cifar.html, cifar-100-python.tar.gz (169 MB) or the folder in it",
        paper="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        near_ood=("cifar10",),
        far_ood=("svhn",),
    ),
)


def cifar10() -> Arrays:
    """50 000 training and 10 000 test images `[3, 32, 32]` (red, green, blue; 0 .. 255), 10 classes, in the archive's order.

    Read from `cifar-10-python.tar.gz` or the folder `cifar-10-batches-py`. InputError if neither is there, or if size,
    checksum or content differ from the published ones. A. Krizhevsky, Learning Multiple Layers of Features, 2009.
    """
    return _read(CIFAR10)


def cifar100() -> Arrays:
    """As `cifar10`, with the 100 fine classes; from `cifar-100-python.tar.gz` or the folder `cifar-100-python`."""
    return _read(CIFAR100)


def _read(cifar: Cifar) -> Arrays:
    where = f"dataset {cifar.name}"
    contents, origin = _contents(cifar, where)
    batches = {name: read_plain_pickle(content, f"{where}: {name}") for name, content in contents.items()}
    pairs = {
        split: _join(cifar, {name: batches[name] for name in names}, split, where)
        for split, names in (("train", cifar.train), ("test", cifar.test))
    }
    (meta,) = cifar.meta
    classes = batches[meta].get(cifar.names)
    if not isinstance(classes, list) or len(classes) != cifar.classes:
        raise InputError(f"{where}: {meta} does not name {cifar.classes} classes", FETCH)
    words = [word.decode() if isinstance(word, bytes) else str(word) for word in classes]
    notes = (f"classes in order: {', '.join(words)}", origin)
    return Arrays(*pairs["train"], test=pairs["test"], notes=notes, repeats="drop", class_names=tuple(words))


def _contents(cifar: Cifar, where: str) -> tuple[dict[str, bytes], str]:
    """The pickled batches by name, from the archive or the extracted folder, and the record's note on their origin."""
    folder = extracted_folder(cifar.name, cifar.archive, cifar.folder)
    if folder is not None:
        contents = {name: _checked_batch(cifar, folder / name, md5, where) for name, md5 in cifar.batches.items()}
        return contents, f"read from the folder {cifar.folder}, each file with its published MD5"
    path = archive_path(cifar.name, cifar.archive, cifar.folder)
    members = tar_members(path, [f"{cifar.folder}/{name}" for name in cifar.batches], where)
    contents = {name.removeprefix(f"{cifar.folder}/"): content for name, content in members.items()}
    return contents, f"read from {cifar.archive.name}, {cifar.archive.checksum}"


def _checked_batch(cifar: Cifar, path: Path, md5: str, where: str) -> bytes:
    """The content of an extracted batch; InputError unless it is the published one."""
    hint = f"extract {cifar.archive.name} again, from {cifar.archive.url}"
    content = read_bytes(path, where, hint)
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 and digest != md5:
        raise InputError(f"{where}: {str(path)!r} is not the published file: its md5 is {digest}, not {md5}", hint)
    return content


def _join(cifar: Cifar, batches: dict[str, dict[str, Any]], split: str, where: str) -> Pair:
    """Images `[N, 3, 32, 32]` and labels `[N]` of batches in order; a row has 1024 red, 1024 green and 1024 blue values."""
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    for name, batch in batches.items():
        x, y = batch.get("data"), batch.get(cifar.labels)
        if not isinstance(x, np.ndarray) or x.dtype != np.uint8 or x.ndim != 2 or x.shape[1] != 3072:
            raise InputError(f"{where}: {name} has no array data [N, 3072] uint8", FETCH)
        if not isinstance(y, list) or len(y) != len(x) or not all(type(v) is int and 0 <= v < cifar.classes for v in y):
            message = f"{where}: {name} has no list {cifar.labels} of {len(x)} classes 0 .. {cifar.classes - 1}"
            raise InputError(message, FETCH)
        images.append(x)
        labels += y
    if len(labels) != cifar.rows[split]:
        message = f"{where}: {split} has {len(labels)} images, the published one {cifar.rows[split]}"
        raise InputError(message, FETCH)
    return np.concatenate(images).reshape(-1, 3, 32, 32), np.array(labels, dtype=np.int64)
