"""`mnist` and `fashion-mnist`: four idx files each, gzipped as published or plain."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calibench import Arrays, DatasetSpec, InputError
from calibench.data.arrays import Pair
from calibench.data.folder import data_folder
from calibench.data.published import PublishedFile
from calibench.lazy import np
from calibench_datasets.readers.files import damaged_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGES, LABELS = 0x00000803, 0x00000801
"""Magic numbers of unsigned bytes (08) with three dimensions and with one."""

MNIST_HOME = "https://ossci-datasets.s3.amazonaws.com/mnist"
FASHION_HOME = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"


@dataclass(frozen=True)
class Idx:
    """A set in MNIST's format: the files of each split's images and labels, the number of rows, and the names of the classes."""

    name: str
    files: Mapping[str, tuple[PublishedFile, PublishedFile]]
    rows: Mapping[str, int]
    classes: tuple[str, ...]


def _file(home: str, name: str, size: int, md5: str) -> PublishedFile:
    return PublishedFile(f"{name}-ubyte.gz", f"{home}/{name}-ubyte.gz", size, md5=md5)


MNIST = Idx(
    name="mnist",
    files={
        "train": (
            _file(MNIST_HOME, "train-images-idx3", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            _file(MNIST_HOME, "train-labels-idx1", 28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
        ),
        "test": (
            _file(MNIST_HOME, "t10k-images-idx3", 1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
            _file(MNIST_HOME, "t10k-labels-idx1", 4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
        ),
    },
    rows={"train": 60_000, "test": 10_000},
    classes=tuple("0123456789"),
)

FASHION_MNIST = Idx(
    name="fashion-mnist",
    files={
        "train": (
            _file(FASHION_HOME, "train-images-idx3", 26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            _file(FASHION_HOME, "train-labels-idx1", 29_515, "25c81989df183df01b3e8a0aad5dffbe"),
        ),
        "test": (
            _file(FASHION_HOME, "t10k-images-idx3", 4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
            _file(FASHION_HOME, "t10k-labels-idx1", 5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
        ),
    },
    rows={"train": 60_000, "test": 10_000},
    classes=("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


SPECS = (
    DatasetSpec(
        name="mnist",
        target=f"{__name__}:mnist",
        summary="MNIST: 60 000 + 10 000 grey images 28x28 of handwritten digits; from the four idx files.",
        licence="CC BY-SA 3.0, according to its mirrors",
        source="http://yann.lecun.com/exdb/mnist, now from https://ossci-datasets.s3.amazonaws.com/mnist (12 MB)",
        paper="Y. LeCun et al., Gradient-Based Learning Applied to Document Recognition, Proceedings of the IEEE 1998",
        near_ood=("fashion-mnist",),
    ),
    DatasetSpec(
        name="fashion-mnist",
        target=f"{__name__}:fashion_mnist",
        summary="Fashion-MNIST: 60 000 + 10 000 grey images 28x28 of ten kinds of clothing; from the four idx files.",
        licence="MIT",
        source="https://github.com/zalandoresearch/fashion-mnist, four idx files (31 MB)",
        paper="H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, 2017 (arXiv 1708.07747)",
        near_ood=("mnist",),
    ),
)


def mnist() -> Arrays:
    """60 000 training and 10 000 test images `[28, 28]` of digits (0 .. 255, ink is high), in the published order.

    Each of `train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`, `t10k-...` is compared with its MD5. A plain copy
    (without `.gz`) in the folder `mnist` has no published checksum: only its form and sizes are checked. InputError for a
    missing or a different file. Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Proceedings of the IEEE, 1998.
    """
    return _read(MNIST)


def fashion_mnist() -> Arrays:
    """As `mnist`, with ten kinds of clothing. H. Xiao, K. Rasul, R. Vollgraf, arXiv 1708.07747, 2017."""
    return _read(FASHION_MNIST)


def _read(idx: Idx) -> Arrays:
    where = f"dataset {idx.name}"
    pairs: dict[str, Pair] = {}
    paths: dict[PublishedFile, Path] = {}
    for split, (images, labels) in idx.files.items():
        n = idx.rows[split]
        paths |= {file: _locate(idx, file) for file in (images, labels)}
        x = _read_idx(paths[images], IMAGES, (n, 28, 28), where)
        y = _read_idx(paths[labels], LABELS, (n,), where)
        if y.max() >= len(idx.classes):
            message = f"{where}: {labels.name} holds the label {y.max()}"
            raise InputError(message, "labels run from 0 to 9; fetch it again")
        pairs[split] = (x, y.astype(np.int64))
    notes = (f"classes in order: {', '.join(idx.classes)}", *_origin_notes(paths))
    return Arrays(*pairs["train"], test=pairs["test"], notes=notes, repeats="drop", class_names=idx.classes)


def _locate(idx: Idx, file: PublishedFile) -> Path:
    """The gzipped file, or else a plain copy in the set's own folder.

    Files of both sets have the same names, and without a checksum only the folder distinguishes them.
    """
    folder = data_folder()
    plain = folder.path / idx.name / file.name.removesuffix(".gz")
    if folder.local(idx.name, file.name) is None and plain.is_file():
        return plain
    return folder.get(idx.name, file, ", or the plain file without .gz")


def _origin_notes(paths: Mapping[PublishedFile, Path]) -> list[str]:
    gzipped = [f"{file.name}, {file.checksum}" for file, path in paths.items() if path.suffix == ".gz"]
    plain = [path.name for path in paths.values() if path.suffix != ".gz"]
    notes = [f"read from {'; '.join(gzipped)}"] if gzipped else []
    return [*notes, f"read from {', '.join(plain)}, which have no published checksum"] if plain else notes


def _read_idx(path: Path, magic: int, shape: tuple[int, ...], where: str) -> NDArray[np.uint8]:
    """An idx file: a big-endian header (magic number, one 32-bit size a dimension), then bytes, the last dimension fastest.

    InputError unless it has this magic number and these sizes and is complete.
    """
    count = int(np.prod(shape))
    header = 4 + 4 * len(shape)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(header + count + 1)  # one more than allowed: at the end gzip compares its checksum
    except (OSError, EOFError, zlib.error) as error:
        raise damaged_file(path, where, error) from None
    end = min(header, len(content) // 4 * 4)
    numbers = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(0, end, 4))
    if numbers != (magic, *shape):
        expected = ", ".join(map(str, (magic, *shape)))
        message = f"{where}: {str(path)!r} begins with {', '.join(map(str, numbers)) or 'nothing'}, not {expected}"
        raise InputError(message, "magic number and sizes of another file; fetch the published one")
    if len(content) != header + count:
        kind = "more" if len(content) > header + count else "less"
        message = f"{where}: {str(path)!r} holds {kind} than the {count} bytes that its header says"
        raise InputError(message, "remove it and fetch the published file again")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
