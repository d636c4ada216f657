"""`cifar10-c` and `cifar100-c`: the authors' corrupted test images, from their archive or the folder extracted from it."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from calibench import InputError, ShiftSpec, Variant
from calibench.data.published import PublishedFile
from calibench.data.shift import Shifted, ShiftTask
from calibench.errors import RunError, did_you_mean
from calibench.lazy import np
from calibench_datasets.readers.archives import archive_path, extracted_folder, refuse_outside
from calibench_datasets.readers.files import FETCH, damaged_file, unreadable_file
from calibench_datasets.shift.corruption_names import (
    EXTRA_KINDS,
    KINDS,
    MEAN_OVER,
    SEVERITIES,
    choose_kinds,
    choose_severities,
)
from calibench_datasets.shift.image_rows import white_value
from calibench_datasets.shift.parameters import HENDRYCKS, KINDS_PARAM, SEVERITIES_PARAM

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE, CHANNELS = 32, 3


@dataclass(frozen=True)
class CifarC:
    """One of the two sets: its archive, the folder in it, the data set it belongs to, and the MD5 of each file."""

    name: str
    archive: PublishedFile
    folder: str
    dataset: str
    md5: Mapping[str, str]


CIFAR10_C = CifarC(
    name="cifar10-c",
    archive=PublishedFile(
        "CIFAR-10-C.tar",
        "https://zenodo.org/records/2535967/files/CIFAR-10-C.tar?download=1",
        2_918_471_680,
        md5="56bf5dcef84df0e2308c6dcbcbbd8499",
    ),
    folder="CIFAR-10-C",
    dataset="cifar10",
    md5={
        "labels": "c439b113295ed5254878798ffe28fd54",
        "gaussian_noise": "ecaf8b9a2399ffeda7680934c33405fd",
        "shot_noise": "3a7239bb118894f013d9bf1984be7f11",
        "impulse_noise": "2090e01c83519ec51427e65116af6b1a",
        "defocus_blur": "7d1322666342a0702b1957e92f6254bc",
        "glass_blur": "7361fb4019269e02dbf6925f083e8629",
        "motion_blur": "fffa5f852ff7ad299cfe8a7643f090f4",
        "zoom_blur": "6ea8e63f1c5cdee1517533840641641b",
        "snow": "bb238de8555123da9c282dea23bd6e55",
        "frost": "31f6ab3bce1d9934abfb0cc13656f141",
        "fog": "7b397314b5670f825465fbcd1f6e9ccd",
        "brightness": "0a81ef75e0b523c3383219c330a85d48",
        "contrast": "3c8262171c51307f916c30a3308235a8",
        "elastic_transform": "9421657c6cd452429cf6ce96cc412b5f",
        "pixelate": "0f14f7e2db14288304e1de10df16832f",
        "jpeg_compression": "2b9cc4c864e0193bb64db8d7728f8187",
        "gaussian_blur": "c33370155bc9b055fb4a89113d3c559d",
        "saturate": "1cfae0964219c5102abbb883e538cc56",
        "spatter": "8a5a3903a7f8f65b59501a6093b4311e",
        "speckle_noise": "ef00b87611792b00df09c0b0237a1e30",
    },
)

CIFAR100_C = CifarC(
    name="cifar100-c",
    archive=PublishedFile(
        "CIFAR-100-C.tar",
        "https://zenodo.org/records/3555552/files/CIFAR-100-C.tar?download=1",
        2_918_473_216,
        md5="11f0ed0f1191edbf9fa23466ae6021d3",
    ),
    folder="CIFAR-100-C",
    dataset="cifar100",
    md5={
        "labels": "bb4026e9ce52996b95f439544568cdb2",
        "gaussian_noise": "ecc4d366eac432bdf25c024086f5e97d",
        "shot_noise": "b0a1fa6e1e465a747c1b204b1914048a",
        "impulse_noise": "3b3c210ddfa0b5cb918ff4537a429fef",
        "defocus_blur": "d923e3d9c585a27f0956e2f2ad832564",
        "glass_blur": "0bf384f38e5ccbf8dd479d9059b913e1",
        "motion_blur": "732a7e2e54152ff97c742d4c388c5516",
        "zoom_blur": "0204613400c034a81c4830d5df81cb82",
        "snow": "0237be164583af146b7b144e73b43465",
        "frost": "3a39c6823bdfaa0bf8b12fe7004b8117",
        "fog": "4efc7ebd5e82b028bdbe13048e3ea564",
        "brightness": "f22d7195aecd6abb541e27fca230c171",
        "contrast": "322bb385f1d05154ee197ca16535f71e",
        "elastic_transform": "a0792bd6581f6810878be71acedfc65a",
        "pixelate": "96c00c60f144539e14cffb02ddbd0640",
        "jpeg_compression": "c851b7f1324e1d2ffddeb76920576d11",
        "gaussian_blur": "5204ba0d557839772ef5a4196a052c3e",
        "saturate": "c0697e9fdd646916a61e9c312c77bf6b",
        "spatter": "12ccf41d62564d36e1f6a6ada5022728",
        "speckle_noise": "e3f215b1a0f9fd9fd6f0d1cf94a7ce99",
    },
)


@dataclass(frozen=True)
class StoredArray:
    """An array of bytes in a file: the position of its first byte, and its shape. Rows are read on demand."""

    path: Path
    start: int
    shape: tuple[int, ...]

    def rows(self, first: int, count: int) -> NDArray[np.uint8]:
        """`count` rows from row `first`; RunError if the file has become shorter."""
        row = int(np.prod(self.shape[1:]))
        values = np.fromfile(self.path, dtype=np.uint8, count=count * row, offset=self.start + first * row)
        if len(values) < count * row:
            raise RunError(f"{str(self.path)!r} has become shorter since the run began", "put it back and run again")
        return values.reshape(count, *self.shape[1:])


def _spec(number: int, record: int) -> ShiftSpec:
    return ShiftSpec(
        name=f"cifar{number}-c",
        target=f"{__name__}:cifar{number}_c",
        summary=f"CIFAR-{number}-C: the authors' 15 corruptions x 5 severities of the test images; CIFAR-{number}-C.tar.",
        params=(KINDS_PARAM, SEVERITIES_PARAM),
        paper=HENDRYCKS,
        licence="CC BY 4.0",
        source=f"https://zenodo.org/records/{record}, CIFAR-{number}-C.tar (2.9 GB) or the folder in it",
        mean_over=MEAN_OVER,
        deviations=("kinds takes the four extra corruptions too; tables show them, and no mean includes them",),
    )


SPECS = (_spec(10, 2535967), _spec(100, 3555552))


def cifar10_c(task: ShiftTask, kinds: str | None, severities: tuple[int, ...] | None) -> Shifted:
    """The corrupted CIFAR-10 test images: each kind is `[50000, 32, 32, 3]` bytes, severity s the s-th fifth of the rows.

    Read from `CIFAR-10-C.tar`, never unpacked, or the folder `CIFAR-10-C`. InputError if neither is there, if size or MD5
    differ from the published ones, or if labels.npy is not the data's test labels five times over.
    """
    return _shifted(CIFAR10_C, task, kinds, severities)


def cifar100_c(task: ShiftTask, kinds: str | None, severities: tuple[int, ...] | None) -> Shifted:
    """As `cifar10_c`, of the CIFAR-100 test images; from `CIFAR-100-C.tar` or the folder `CIFAR-100-C`."""
    return _shifted(CIFAR100_C, task, kinds, severities)


def _shifted(cifar_c: CifarC, task: ShiftTask, kinds: str | None, severities: tuple[int, ...] | None) -> Shifted:
    where = f"shift {cifar_c.name}"
    names = choose_kinds(kinds, (*KINDS, *EXTRA_KINDS), where)
    levels = choose_severities(severities, where)
    if task.x.shape[1:] != (CHANNELS, SIDE, SIDE):
        message = f"{where}: the data has rows of shape {list(task.x.shape[1:])}, not [{CHANNELS}, {SIDE}, {SIDE}]"
        raise InputError(message, f"it goes with --dataset {cifar_c.dataset}")
    scale = np.float32(white_value(task, where) / 255)
    arrays, origin = _find_arrays(cifar_c, ["labels", *names], where)
    _check_labels(arrays.pop("labels"), task, cifar_c, where)
    n = len(task.x)
    shape = (len(SEVERITIES) * n, SIDE, SIDE, CHANNELS)
    for name, array in arrays.items():
        if array.shape != shape:
            message = f"{where}: {name}.npy has shape {list(array.shape)}, not {list(shape)}"
            raise InputError(message, f"{FETCH}; the test split must be the published one")

    def rows(array: StoredArray, severity: int) -> NDArray[np.float32]:
        images = array.rows((severity - 1) * n, n).transpose(0, 3, 1, 2)
        return np.ascontiguousarray(images, dtype=np.float32) * scale

    variants = [Variant(kind, level, partial(rows, arrays[kind], level)) for kind in names for level in levels]
    return Shifted(variants, notes=(origin,))


def _check_labels(labels: StoredArray, task: ShiftTask, cifar_c: CifarC, where: str) -> None:
    """InputError unless the labels of every severity are those of the data's test rows."""
    n = len(task.y)
    if task.labels_per_sample > 1 or labels.shape != (len(SEVERITIES) * n,):
        message = f"{where}: labels.npy has {labels.shape[0]} labels, and the data {n} test rows"
        raise InputError(message, f"it goes with the published test split: --dataset {cifar_c.dataset}")
    by_severity = labels.rows(0, labels.shape[0]).reshape(len(SEVERITIES), n)
    differs = (by_severity != task.y).any(axis=0)
    if differs.any():
        row = int(np.argmax(differs))
        message = f"{where}: labels.npy says {by_severity[0, row]} of test row {row}, the data {task.y[row]}"
        raise InputError(message, f"it goes with the published test split in its order: --dataset {cifar_c.dataset}")


def _find_arrays(cifar_c: CifarC, names: list[str], where: str) -> tuple[dict[str, StoredArray], str]:
    """The arrays by name, from the archive or the extracted folder, and the record's note on their origin."""
    folder = extracted_folder(cifar_c.name, cifar_c.archive, cifar_c.folder)
    if folder is not None:
        arrays = {name: _checked_array(cifar_c, folder / f"{name}.npy", name, where) for name in names}
        return arrays, f"read from the folder {cifar_c.folder}, each file with its published MD5"
    path = archive_path(cifar_c.name, cifar_c.archive, cifar_c.folder)
    return _arrays_in_tar(path, cifar_c, names, where), f"read from {cifar_c.archive.name}, {cifar_c.archive.checksum}"


def _checked_array(cifar_c: CifarC, path: Path, name: str, where: str) -> StoredArray:
    """The array in an extracted file; InputError unless its MD5 is the published one."""
    again = f"extract {cifar_c.archive.name} again"
    try:
        size = path.stat().st_size
    except OSError as error:
        raise unreadable_file(path, where, error, f"{again}, from {cifar_c.archive.url}") from None
    replace(cifar_c.archive, name=path.name, size=size, md5=cifar_c.md5[name]).check(path, where, again)
    with path.open("rb") as file:
        return _array(file, path, size, f"{where}: {str(path)!r}")


def _arrays_in_tar(path: Path, cifar_c: CifarC, names: list[str], where: str) -> dict[str, StoredArray]:
    """The arrays by name, whose bytes stay in the archive; InputError if it is damaged, unsafe, or lacks one."""
    name_of = {f"{cifar_c.folder}/{name}.npy": name for name in names}
    arrays = {}
    try:
        with path.open("rb") as file, tarfile.open(path, mode="r:") as archive:
            for member in archive:
                refuse_outside(member.name, where)
                if member.name not in name_of:
                    continue
                if not member.isreg() or member.sparse is not None:
                    raise InputError(f"{where}: the member {member.name!r} is not a plain file", FETCH)
                file.seek(member.offset_data)
                arrays[name_of[member.name]] = _array(file, path, member.size, f"{where}: {member.name!r}")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise damaged_file(path, where, error) from None
    missing = [name for name in names if name not in arrays]
    if missing:
        message = f"{where}: {str(path)!r} has no {cifar_c.folder}/{missing[0]}.npy"
        raise InputError(message, did_you_mean(missing[0], arrays))
    return arrays


def _array(file: BinaryIO, path: Path, size: int, where: str) -> StoredArray:
    """The array whose .npy header is at the position of `file` and which has `size` bytes with it.

    InputError unless it holds bytes row by row and is complete.
    """
    begin = file.tell()
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_column, dtype = read(file)
    except ValueError as error:
        raise InputError(f"{where} is not an .npy array: {error}", FETCH) from None
    if dtype != np.uint8 or by_column:
        raise InputError(f"{where} holds {dtype}, not bytes row by row", FETCH)
    start = file.tell()
    expected = start - begin + int(np.prod(shape))
    if size != expected:
        raise InputError(f"{where} has {size} bytes, and its header says {expected}", f"it is cut short; {FETCH}")
    return StoredArray(path, start, tuple(shape))
