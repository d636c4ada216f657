"""Read stored outputs of any classifier from a file of any format."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.config.grammar import who
from calibench.data.numpy_files import read_npy, read_npz
from calibench.errors import InputError, blaming
from calibench.files.memory_limit import within_memory
from calibench.lazy import np
from calibench.outputs.arrays import Labels
from calibench.outputs.columns import Columns, StoredSamples, array_named, refuse_both
from calibench.outputs.content import Content
from calibench.outputs.outputs import Outputs
from calibench.outputs.readers.choose import own_readers, reader_of
from calibench.outputs.readers.label_file import with_label_file
from calibench.outputs.readers.open_blocks import refuse_larger_than_memory
from calibench.outputs.readers.samples_file import SamplesFile
from calibench.outputs.readers.standard_input import local_file
from calibench.outputs.readers.truth import with_truth
from calibench.outputs.roles.samples import samples_of
from calibench.outputs.several_labels import check_samples
from calibench.outputs.stored_outputs import outputs_of
from calibench.outputs.top_label import TopLabelOutputs

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_outputs(path: str | Path, columns: Columns | None = None) -> tuple[Outputs, Labels]:
    """Outputs and labels in a file, checked and ready to be judged: `read_samples(...).samples`."""
    return read_samples(path, columns).samples


def read_samples(path: str | Path, columns: Columns | None = None, labelled: bool = True) -> SamplesFile:
    """The samples in a file, checked and ready to be judged; without `labelled`, the labels may be missing.

    docs/reference/inputs.md lists the formats; `-` is standard input. `columns` names the arrays or columns if they have unusual
    names, and says how to read them. Raises InputError naming the file, and the row or column, or because it does not fit into
    memory.
    """
    columns = columns or Columns()
    content = read_content(path, columns)
    return _checked(samples_of(content, columns, path, labelled), path)


def read_members(path: str | Path, columns: Columns) -> list[SamplesFile]:
    """The samples of each member of an ensemble `[M, N, K]`, which share their labels. InputError if the file holds no members."""
    content = read_content(path, columns)
    named = dataclasses.replace(columns, combine=None, member=0)
    samples_of(content, named, path)  # refuses other shapes
    members = max(len(array) for array in content.arrays.values() if array.ndim == 3)
    return [
        _checked(samples_of(content, dataclasses.replace(named, member=member), path), path)
        for member in range(members)
    ]


def read_content(path: str | Path, columns: Columns) -> Content:
    """The named arrays of a file, with the labels of a second file if the user names one."""
    refuse_both(columns)
    file = local_file(path)
    try:
        return _content(file, path, columns)
    except InputError as error:
        if str(file) not in error.message:
            raise
        raise InputError(error.message.replace(str(file), str(path)), error.hint) from None  # a copy of standard input


def _content(file: Path, path: str | Path, columns: Columns) -> Content:
    reader = reader_of(file, columns.format, path)
    refuse_larger_than_memory(path, columns)
    if reader.spec in own_readers():
        with within_memory(path):
            content = reader.spec.load()(file, columns, **reader.params)
    else:
        with blaming(who(reader)):
            content = reader.spec.load()(file, columns, **reader.params)
    if not isinstance(content, Content):
        content = _of_mapping(content, reader.name, path)
    return with_truth(with_label_file(content, columns), columns, path)


def _of_mapping(arrays: Any, reader: str, path: object) -> Content:
    """What a plugin's reader returned, as Content. InputError if it is no mapping of arrays by name."""
    if not isinstance(arrays, Mapping) or not arrays:
        raise InputError(f"{path}: reader {reader!r} returned {type(arrays).__name__}, no arrays", "correct the plugin")
    named = {str(name): np.asarray(array) for name, array in arrays.items()}
    return Content(named, table=all(array.ndim == 1 for array in named.values()))


def _checked(stored: StoredSamples, path: str | Path) -> SamplesFile:
    labels: Labels | None = stored.labels
    if stored.top_label_only:
        outputs: Outputs = TopLabelOutputs(stored.scores)
    elif labels is None:
        outputs = outputs_of(stored.scores, stored.from_probs).check(str(path))
    else:
        outputs, labels = check_samples(stored.scores, labels, stored.from_probs, str(path))
    about = stored.class_names, stored.others, stored.notes, stored.unused, stored.soft
    return SamplesFile(str(path), outputs, labels, *about)


def read_soft(path: str | Path, name: str) -> NDArray[Any]:
    """Soft labels, the shares of people who gave each label: the array `name` of the `.npz`, or the `.npy` file `name`."""
    if name.endswith(".npy"):
        return read_npy(name)
    if Path(path).suffix.lower() != ".npz":
        raise InputError(f"{path} is a table: it holds no array {name!r}", "give the shares as a .npy file")
    return array_named(name, read_npz(path), path)
