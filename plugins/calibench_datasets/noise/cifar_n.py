"""`cifar10n` and `cifar100n`: people's labels of CIFAR's training images."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from calibench import REQUIRED, InputError, NoiseSpec, Param
from calibench.data.folder import VARIABLE, data_folder
from calibench.data.numpy_files import existing_file, read_npz
from calibench.lazy import np
from calibench_datasets.readers.plain_pickle import read_plain_pickle

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOME = "github.com/UCSC-REAL/cifar-10-100n, folder data"

_TORCH_BEFORE_1_6 = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""First bytes of a torch.save file from before its files were zips; three pickles come before the content."""

Labels: TypeAlias = "NDArray[np.int64]"


@dataclass(frozen=True)
class CifarN:
    """One of the two sets: the noise's name, its file without the ending, and how names of arrays in an .npz may begin."""

    name: str
    file: str
    prefix: str


CIFAR10N = CifarN("cifar10n", "CIFAR-10_human", "c10_")
CIFAR100N = CifarN("cifar100n", "CIFAR-100_human", "c100_")

FILE = Param(
    "path", "path", None, "the published .pt, or an .npz of its arrays; not set: looked for in the data folder"
)

SPECS = (
    NoiseSpec(
        name="cifar10n",
        target=f"{__name__}:cifar10n",
        summary="People's labels of CIFAR-10's training images (CIFAR-10N): 9.01, 17.2 to 18.1 or 40.21 % wrong.",
        params=(
            Param(
                "set",
                "str",
                REQUIRED,
                "labels of three people: their vote, the first, second or third one's, or a wrong one if there is one",
                choices=("aggre", "random1", "random2", "random3", "worse"),
            ),
            FILE,
        ),
        needs=("ids",),
        licence="CC BY-NC 4.0",
        source="github.com/UCSC-REAL/cifar-10-100n, data/CIFAR-10_human.pt",
        paper="J. Wei et al., Learning with Noisy Labels Revisited, ICLR 2022 (arXiv 2110.12088)",
    ),
    NoiseSpec(
        name="cifar100n",
        target=f"{__name__}:cifar100n",
        summary="People's labels of CIFAR-100's training images (CIFAR-100N, fine classes): 40.20 % wrong.",
        params=(FILE,),
        needs=("ids",),
        licence="CC BY-NC 4.0",
        source="github.com/UCSC-REAL/cifar-10-100n, data/CIFAR-100_human.pt",
        paper="J. Wei et al., Learning with Noisy Labels Revisited, ICLR 2022 (arXiv 2110.12088)",
    ),
)


def cifar10n(
    labels: Labels,
    num_classes: int,
    generator: np.random.Generator,
    ids: Labels,
    set: str,  # noqa: A002 - the users' word
    path: str | None,
) -> Labels:
    """For each training image the vote of three people (`aggre`), the label of one (`random1` .. `3`), or a wrong one (`worse`).

    Wrong are 9.01 %, 17.23, 18.12, 17.64 % and 40.21 % of 50 000. Nothing is drawn. Read from the published
    `CIFAR-10_human.pt`, or an `.npz` of its arrays (names may begin with c10_), in the data folder or at `path`. No checksum is
    published: InputError unless the clean labels in the file are those of the rows, which also shows that the order is
    the same. The labels are CC BY-NC 4.0. J. Wei et al., Learning with Noisy Labels Revisited, ICLR 2022, arXiv 2110.12088.
    """
    key = f"random_label{set[-1]}" if set.startswith("random") else f"{set}_label"
    return _human_labels(CIFAR10N, key, labels, num_classes, ids, path)


def cifar100n(
    labels: Labels, num_classes: int, generator: np.random.Generator, ids: Labels, path: str | None
) -> Labels:
    """One person's fine label of each CIFAR-100 training image; 40.20 % of 50 000 are wrong. Otherwise as `cifar10n`."""
    return _human_labels(CIFAR100N, "noisy_label", labels, num_classes, ids, path)


def _human_labels(cifar_n: CifarN, key: str, labels: Labels, num_classes: int, ids: Labels, path: str | None) -> Labels:
    """The labels in the array `key` of the rows `ids`; InputError unless the file's clean labels of them are `labels`."""
    where = f"noise {cifar_n.name}"
    file = _locate(cifar_n, where) if path is None else existing_file(path)
    arrays = _read(file, f"{where}: {str(file)!r}")
    clean, human = (_label_array(arrays, name, cifar_n, file) for name in ("clean_label", key))
    for name, array in (("clean_label", clean), (key, human)):
        if len(array) <= ids.max() or array.min() < 0 or array.max() >= num_classes:
            message = f"{where}: {name!r} has {len(array)} labels up to {array.max()}, the data {num_classes} classes"
            raise InputError(message, "these are labels of another data set")
    differs = clean[ids] != labels
    if differs.any():
        first = f"the first is row {int(ids[np.argmax(differs)])}"
        message = (
            f"{where}: {int(differs.sum())} of {len(ids)} training rows have another clean label in the file; {first}"
        )
        dataset = cifar_n.name.removesuffix("n")
        raise InputError(message, f"{cifar_n.name} is for the images of {dataset} in the order of the authors' archive")
    return np.asarray(human[ids], dtype=np.int64)


def _label_array(arrays: dict[str, Any], name: str, cifar_n: CifarN, file: Path) -> NDArray[Any]:
    array = arrays.get(cifar_n.prefix + name, arrays.get(name))
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu" or array.ndim != 1:
        message = f"noise {cifar_n.name}: {str(file)!r} has no array {name!r} of whole numbers [N]"
        raise InputError(message, f"fetch {cifar_n.file}.pt from {HOME}")
    return array


def _locate(cifar_n: CifarN, where: str) -> Path:
    """The published file, or an .npz of its arrays, in the data folder."""
    folder = data_folder()
    for ending in (".pt", ".npz"):
        if path := folder.local(cifar_n.name, cifar_n.file + ending):
            return path
    folders = f"{str(folder.path / cifar_n.name)!r} or {str(folder.path)!r}"
    hint = f"fetch it from {HOME}, and put it there or say path=FILE; --data-dir or {VARIABLE} names another folder"
    raise InputError(f"{where}: there is no {cifar_n.file}.pt in {folders}", hint)


def _read(path: Path, where: str) -> dict[str, Any]:
    """The arrays of an `.npz`, or of a torch.save file, whose pickle is read without running anything that it names."""
    if path.suffix == ".npz":
        return dict(read_npz(path))
    try:
        content = path.read_bytes()
        if not zipfile.is_zipfile(path):
            return read_plain_pickle(content, where, skip=3 if content.startswith(_TORCH_BEFORE_1_6) else 0)
        with zipfile.ZipFile(path) as archive:
            member = next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)
            if member is None:
                raise InputError(f"{where} is not a file of torch.save", "fetch the published file again")
            return read_plain_pickle(archive.read(member), where)
    except (OSError, EOFError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise InputError(f"{where} cannot be read: {error}", "fetch the published file again") from None
