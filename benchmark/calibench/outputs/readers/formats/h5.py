"""Read a `.h5` of outputs: named datasets, or CalArena's layout of one group an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError, did_you_mean
from calibench.files.memory_limit import refuse_beyond_memory
from calibench.lazy import np
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.readers.formats.torch import first_line
from calibench.plugins.params import Param
from calibench.plugins.specs import ReaderSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEC = ReaderSpec(
    name="h5",
    suffixes=(".h5", ".hdf5"),
    starts=(b"\x89HDF\r\n\x1a\n",),
    target="calibench.outputs.readers.formats.h5:read_h5",
    summary="Named datasets of HDF5, also CalArena's groups; needs h5py.",
    params=(
        Param("group", "str", None, "the group that holds the datasets; not set: the only one"),
        Param(
            "split",
            "str",
            None,
            "of datasets whose names end in _cal, _test: the samples; not set: test, and cal to fit on",
        ),
    ),
)

MOST_GROUPS = 8
"""So many names of groups are listed."""


def read_h5(path: Path, columns: Columns, group: str | None = None, split: str | None = None) -> Content:
    """The datasets of a group of a `.h5` file by name; without `group` those at its top, or of its only group.

    In CalArena's layout, `{dataset}/{model}` holds `probas_test` and `labels_test`, and the same of `cal`: the test samples are
    judged, and those of cal are to fit on, unless `split` says otherwise. Raises InputError for groups that are not there.
    """
    h5py = _h5py()
    try:
        with h5py.File(path, "r") as file:
            return _content(file, path, group, split or ("cal" if columns.to_fit else "test"))
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot read {path}: {first_line(error)}", "write it with h5py") from None


def experiments(path: Path) -> list[str]:
    """The groups of a `.h5` file that hold samples of `cal` and of `test`, in CalArena's layout, by name.

    InputError if the file cannot be read or has none.
    """
    h5py = _h5py()
    if not path.is_file():
        raise InputError(f"there is no file {str(path)!r}", "check the path")
    kinds: dict[str, set[str]] = {}

    def gather(name: str, item: Any) -> None:
        place, _, short = name.rpartition("/")
        if isinstance(item, h5py.Dataset) and place:
            kinds.setdefault(place, set()).add(short)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(gather)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise InputError(f"cannot read {path}: {first_line(error)}", "write it with h5py") from None
    found = sorted(name for name, shorts in kinds.items() if {"labels_cal", "labels_test"} <= shorts)
    if not found:
        message = f"{path} holds no experiment: no group has labels_cal and labels_test"
        raise InputError(message, "CalArena's layout is DATASET/MODEL/probas_cal, labels_cal, probas_test, labels_test")
    return found


def _h5py() -> Any:
    """The package. InputError if it is not installed."""
    try:
        import h5py
    except ImportError:
        raise InputError("reading .h5 needs h5py", 'pip install "calibench[h5]"') from None
    return h5py


def _content(file: Any, path: Path, group: str | None, split: str) -> Content:
    import h5py

    groups: dict[str, Any] = {}

    def gather(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            place, _, short = name.rpartition("/")
            groups.setdefault(place, {})[short] = item

    file.visititems(gather)  # follows no links to other files
    name = group.strip("/") if group is not None else "" if "" in groups else next(iter(groups), "")
    if group is None and "" not in groups and len(groups) > 1:
        names = sorted(groups)
        listed = ", ".join(names[:MOST_GROUPS]) + (
            f" and {len(names) - MOST_GROUPS} more" if len(names) > MOST_GROUPS else ""
        )
        raise InputError(f"{path} holds {len(names)} groups: {listed}", f"choose one: --format h5:group={names[0]}")
    if name not in groups:
        raise InputError(f"{path}: there is no group {name!r} of datasets", did_you_mean(name, groups))
    datasets = groups[name]
    if not any(f"{kind}_{split}" in datasets for kind in ("probas", "logits", "probs")):
        return Content(_read(datasets, path), table=False)
    chosen = {key.removesuffix(f"_{split}"): item for key, item in datasets.items() if key.endswith(f"_{split}")}
    note = f"{name or 'the file'}: the samples of {split!r}; the others are --format h5:split=NAME"
    return Content(_read(chosen, path), table=False, notes=(note,))


def _read(datasets: dict[str, Any], path: Path) -> dict[str, NDArray[Any]]:
    """The datasets as arrays. InputError for those that are larger than memory, or whose numbers lie in another file."""
    size = sum(int(np.prod(item.shape, dtype=object)) * item.dtype.itemsize for item in datasets.values())
    refuse_beyond_memory(path, 2 * size)
    arrays = {}
    for name, item in datasets.items():
        if item.external or item.is_virtual:
            raise InputError(f"{path}: the numbers of {name!r} lie in another file", "store them in this one")
        array = item.asstr()[()] if item.dtype.kind == "O" else item[()]
        arrays[name] = np.asarray(array)
    return arrays
