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

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGES, LABELS = 0x00000803, 0x00000801
"""Magic numbers: unsigned bytes (08) of three dimensions, and of one."""

MNIST_HOME = "https://ossci-datasets.s3.amazonaws.com/mnist"
FASHION_HOME = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"


@dataclass(frozen=True)
class Idx:
    """A set in MNIST's format: images and labels of each split, how many there are, and what the ten classes are called."""

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
        licence="CC BY-SA 3.0, as its mirrors say",
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

    Each of `train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`, `t10k-...` is checked against its MD5; a plain copy
    (without `.gz`) in the folder `mnist` has no published checksum, so only its form and sizes are. InputError where a file
    is missing or another. Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Proceedings of the IEEE, 1998.
    """
    return _read(MNIST)


def fashion_mnist() -> Arrays:
    """As `mnist`: ten kinds of clothing. H. Xiao, K. Rasul, R. Vollgraf, arXiv 1708.07747, 2017."""
    return _read(FASHION_MNIST)


def _read(idx: Idx) -> Arrays:
    where = f"dataset {idx.name}"
    pairs: dict[str, Pair] = {}
    plain: list[str] = []
    for split, (images, labels) in idx.files.items():
        n = idx.rows[split]
        x = _array(idx, images, IMAGES, (n, 28, 28), where, plain)
        y = _array(idx, labels, LABELS, (n,), where, plain)
        if y.max() >= len(idx.classes):
            raise InputError(
                f"{where}: {labels.name} holds the label {y.max()}", "labels run from 0 to 9; fetch it again"
            )
        pairs[split] = (x, y.astype(np.int64))
    checked = "; ".join(f"{f.name}, {f.checksum}" for pair in idx.files.values() for f in pair if f.name not in plain)
    notes = [f"classes in order: {', '.join(idx.classes)}"]
    if checked:
        notes.append(f"read from {checked}")
    if plain:
        copies = ", ".join(name.removesuffix(".gz") for name in plain)
        notes.append(f"read from {copies}, which have no published checksum")
    return Arrays(*pairs["train"], test=pairs["test"], notes=tuple(notes), repeats="drop")


def _array(
    idx: Idx, file: PublishedFile, magic: int, shape: tuple[int, ...], where: str, plain: list[str]
) -> NDArray[np.uint8]:
    """The array of one file; a plain copy is taken where there is no gzipped one, and then added to `plain`."""
    folder = data_folder()
    copy = (
        folder.path / idx.name / file.name.removesuffix(".gz")
    )  # of two sets' files of one name the folder tells which
    if folder.local(idx.name, file.name) is None and copy.is_file():
        plain.append(file.name)
        return _idx(copy, magic, shape, where)
    return _idx(folder.get(idx.name, file, ", or the plain file without .gz"), magic, shape, where)


def _idx(path: Path, magic: int, shape: tuple[int, ...], where: str) -> NDArray[np.uint8]:
    """Big-endian header (magic number, one 32-bit size a dimension), then bytes, the last dimension fastest."""
    count = int(np.prod(shape))
    header = 4 + 4 * len(shape)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(header + count + 1)  # one more than there may be, and the checksum of gzip is read
    except (OSError, EOFError, zlib.error) as error:
        message = f"{where}: {str(path)!r} is damaged or cut short: {error}"
        raise InputError(message, "remove it and fetch the published file again") from None
    found = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(0, min(header, len(content) // 4 * 4), 4))
    if found != (magic, *shape):
        expected = ", ".join(map(str, (magic, *shape)))
        message = f"{where}: {str(path)!r} begins with {', '.join(map(str, found)) or 'nothing'}, not {expected}"
        raise InputError(message, "magic number and sizes of another file; fetch the published one")
    if len(content) != header + count:
        kind = "more" if len(content) > header + count else "less"
        message = f"{where}: {str(path)!r} holds {kind} than the {count} bytes that its header says"
        raise InputError(message, "remove it and fetch the published file again")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
