"""`cifar10n` and `cifar100n`: the labels that people gave to CIFAR's training images."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from calibench import REQUIRED, InputError, NoiseSpec, Param
from calibench.data.folder import VARIABLE, data_folder
from calibench.data.numpy_files import existing_file, read_npz
from calibench.lazy import np
from calibench_datasets.sources.plain_pickle import read_plain_pickle

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOME = "github.com/UCSC-REAL/cifar-10-100n, folder data"

_TORCH_BEFORE_1_6 = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How torch.save began before its files were zips: three pickles stand before the content."""

Labels: TypeAlias = "NDArray[np.int64]"


FILE = Param(
    "path", "path", None, "the published .pt, or an .npz of its arrays; not set: looked for in the data folder"
)

SPECS = (
    NoiseSpec(
        name="cifar10n",
        target=f"{__name__}:cifar10n",
        summary="What people called CIFAR-10's training images (CIFAR-10N): 9.01, 17.2 to 18.1 or 40.21 % wrong.",
        params=(
            Param(
                "set",
                "str",
                REQUIRED,
                "the vote of three people, the first, second or third of them, or a wrong one where there is one",
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
        summary="What people called CIFAR-100's training images (CIFAR-100N, fine classes): 40.20 % wrong.",
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
    """Of three people's labels of each training image a vote (`aggre`), one of each (`random1` .. `3`), or a wrong one (`worse`).

    Wrong are 9.01 %, 17.23, 18.12, 17.64 % and 40.21 % of 50 000. Nothing is drawn. Read from `CIFAR-10_human.pt` as
    published, or an `.npz` of its arrays (names may begin with c10_), in the data folder or at `path`. No checksum is
    published: the file's own clean labels must be those of the rows, which also shows that the order is the same.
    InputError otherwise. The labels are CC BY-NC 4.0. J. Wei et al., Learning with Noisy Labels Revisited, ICLR 2022,
    arXiv 2110.12088.
    """
    key = f"random_label{set[-1]}" if set.startswith("random") else f"{set}_label"
    return _given("cifar10n", "CIFAR-10_human", "c10_", key, (labels, num_classes, ids), path)


def cifar100n(
    labels: Labels, num_classes: int, generator: np.random.Generator, ids: Labels, path: str | None
) -> Labels:
    """One person's fine label of each CIFAR-100 training image; 40.20 % of 50 000 are wrong. As `cifar10n` otherwise."""
    return _given("cifar100n", "CIFAR-100_human", "c100_", "noisy_label", (labels, num_classes, ids), path)


def _given(name: str, file: str, prefix: str, key: str, rows: tuple[Labels, int, Labels], path: str | None) -> Labels:
    labels, num_classes, ids = rows
    where = f"noise {name}"
    place = _find(name, file, where) if path is None else existing_file(path)
    held = _held(place, f"{where}: {str(place)!r}")
    arrays: dict[str, NDArray[Any]] = {}
    for word in ("clean_label", key):
        array = held.get(prefix + word, held.get(word))
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu" or array.ndim != 1:
            message = f"{where}: {str(place)!r} has no array {word!r} of whole numbers [N]"
            raise InputError(message, f"fetch {file}.pt from {HOME}")
        if len(array) <= ids.max() or array.min() < 0 or array.max() >= num_classes:
            message = f"{where}: {word!r} has {len(array)} labels up to {array.max()}, the data {num_classes} classes"
            raise InputError(message, "these are labels of another data set")
        arrays[word] = array
    other = arrays["clean_label"][ids] != labels
    if other.any():
        row = int(ids[np.argmax(other)])
        message = f"{where}: {int(other.sum())} of {len(ids)} training rows have another clean label there, the first row {row}"
        raise InputError(message, f"{name} is for the images of {name[:-1]} in the order of the authors' archive")
    return np.asarray(arrays[key][ids], dtype=np.int64)


def _find(name: str, file: str, where: str) -> Path:
    folder = data_folder()
    for ending in (".pt", ".npz"):
        if found := folder.local(name, file + ending):
            return found
    message = f"{where}: there is no {file}.pt in {str(folder.path / name)!r} or {str(folder.path)!r}"
    hint = f"fetch it from {HOME}, and put it there or say path=FILE; --data-dir or {VARIABLE} names another folder"
    raise InputError(message, hint)


def _held(path: Path, where: str) -> dict[str, Any]:
    """The arrays of an `.npz`, or of a file of torch.save, whose pickle is read without running what it names."""
    if path.suffix == ".npz":
        return dict(read_npz(path))
    try:
        content = path.read_bytes()
        if not zipfile.is_zipfile(path):
            return read_plain_pickle(content, where, skip=3 if content.startswith(_TORCH_BEFORE_1_6) else 0)
        with zipfile.ZipFile(path) as archive:
            inner = next((n for n in archive.namelist() if n.endswith("/data.pkl")), None)
            if inner is None:
                raise InputError(f"{where} is not a file of torch.save", "fetch the published file again")
            return read_plain_pickle(archive.read(inner), where)
    except (OSError, EOFError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise InputError(f"{where} cannot be read: {error}", "fetch the published file again") from None
