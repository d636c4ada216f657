"""`svhn`: Street View House Numbers, cropped digits, from the authors' two MATLAB files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from calibench import Arrays, DatasetSpec, InputError
from calibench.data.arrays import Pair
from calibench.data.folder import data_folder
from calibench.data.published import PublishedFile
from calibench.lazy import np
from calibench_datasets.readers.files import FETCH

HOME = "http://ufldl.stanford.edu/housenumbers"


@dataclass(frozen=True)
class Svhn:
    """The files of the two splits, and the number of images in each."""

    train: PublishedFile
    test: PublishedFile
    rows: tuple[int, int]


SVHN = Svhn(
    train=PublishedFile(
        "train_32x32.mat", f"{HOME}/train_32x32.mat", 182_040_794, md5="e26dedcc434d2e4c54c9b2d4a06d8373"
    ),
    test=PublishedFile("test_32x32.mat", f"{HOME}/test_32x32.mat", 64_275_384, md5="eb5a983be6a315427106f1b164d9cef3"),
    rows=(73_257, 26_032),
)


SPEC = DatasetSpec(
    name="svhn",
    target=f"{__name__}:svhn",
    summary="Street View House Numbers: 73 257 + 26 032 colour images 32x32 of digits; train_32x32.mat, test_32x32.mat.",
    licence="non-commercial use only, according to the authors' page",
    source="http://ufldl.stanford.edu/housenumbers, train_32x32.mat (182 MB) and test_32x32.mat (64 MB)",
    paper="Y. Netzer et al., Reading Digits in Natural Images with Unsupervised Feature Learning, NIPS workshop 2011",
    far_ood=("cifar10", "cifar100"),
)


def svhn() -> Arrays:
    """73 257 training and 26 032 test images `[3, 32, 32]` (red, green, blue; 0 .. 255) and their digit, in the files' order.

    The files number the digit 0 as 10; here it is 0. The 531 131 images of extra_32x32.mat are left out, as in papers that
    train on 73 257. InputError for a missing or a different file. Y. Netzer et al., NIPS workshop, 2011.
    """
    files = (SVHN.train, SVHN.test)
    train, test = (
        _read(data_folder().get("svhn", file), f"dataset svhn: {file.name}", rows)
        for file, rows in zip(files, SVHN.rows, strict=True)
    )
    notes = (
        "classes in order: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        f"read from {'; '.join(f'{file.name}, {file.checksum}' for file in files)}",
    )
    return Arrays(*train, test=test, notes=notes, repeats="drop")


def _read(path: Path, where: str, rows: int) -> Pair:
    """Images and labels of a file, in which X is `[32, 32, 3, N]` (row, column, colour, image) and y `[N, 1]`, 1 .. 10."""
    from scipy.io import loadmat

    try:
        arrays = loadmat(path, variable_names=("X", "y"))
    except Exception as error:  # scipy raises nearly anything on a damaged file
        message = f"{where}: cannot be read as a MATLAB 5 file: {error or type(error).__name__}"
        raise InputError(message, "remove it and fetch the published file again") from None
    x, y = (np.asarray(arrays.get(name)) for name in ("X", "y"))
    if x.dtype != np.uint8 or x.shape != (32, 32, 3, rows):
        raise InputError(f"{where}: X is {list(x.shape)} {x.dtype}, not [32, 32, 3, {rows}] uint8", FETCH)
    if y.dtype.kind not in "iu" or y.shape != (rows, 1) or y.min() < 1 or y.max() > 10:
        message = f"{where}: y is {list(y.shape)} {y.dtype}, not [{rows}, 1] whole numbers 1 .. 10"
        raise InputError(message, FETCH)
    return np.ascontiguousarray(x.transpose(3, 2, 0, 1)), (y[:, 0] % 10).astype(np.int64)
