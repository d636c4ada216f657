"""`hf`: a data set of the Hugging Face Hub, or a folder in its format, through the `datasets` library."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from calibench import REQUIRED, Arrays, DatasetSpec, InputError, Param
from calibench_datasets.readers.hf_columns import HfColumns, choose_columns, class_indices
from calibench_datasets.readers.hf_hub import licence, locate, reason
from calibench_datasets.readers.hf_rows import read_split
from calibench_datasets.readers.hf_splits import choose_splits, refuse_missing_files, refuse_other_count
from calibench_datasets.readers.image_files import IMAGE_PARAMS, scaling_note

SPEC = DatasetSpec(
    name="hf",
    target=f"{__name__}:hf",
    summary="Images or stored features of the Hugging Face Hub (ORG/NAME), or of a folder in its format; extra vision.",
    params=(
        Param("path", "path", REQUIRED, "ORG/NAME on the Hub, a folder of Parquet files, or one such file"),
        Param("image", "str", None, "the column of images; not set: the only one"),
        Param(
            "features",
            "str",
            None,
            "columns of numbers, or of lists of them, joined by ';', instead of images",
        ),
        Param("label", "str", None, "the column to predict; not set: the only one of classes"),
        Param("revision", "str", None, "commit, tag or branch on the Hub; a commit pins it"),
        Param("config", "str", None, "which of the set's configurations, if it has several"),
        Param("train_split", "str", None, "not set: train, or the only one"),
        Param("val_split", "str", None, "not set: validation, valid, val or dev, else held out of train"),
        Param("cal_split", "str", None, "not set: held out of train"),
        Param("test_split", "str", None, "not set: test, else held out of train"),
        *IMAGE_PARAMS,
    ),
    licence="differs by data set; the record's notes quote its card",
    source="https://huggingface.co/datasets, through the library datasets; the record's notes hold the commit",
    paper="Q. Lhoest et al., Datasets: A Community Library for Natural Language Processing, EMNLP 2021 (arXiv 2109.02846)",
)


def hf(  # noqa: PLR0913 - a plugin's function has an argument for each parameter of its spec
    path: str,
    image: str | None,
    features: str | None,
    label: str | None,
    revision: str | None,
    config: str | None,
    train_split: str | None,
    val_split: str | None,
    cal_split: str | None,
    test_split: str | None,
    colour: str,
    size: int | None,
) -> Arrays:
    """Images `[N, 3, H, W]`, or `[N, H, W]` grey, or features `[N, D]`, and classes, of a set's official splits.

    `path` is a folder of Parquet files (with a README that describes them or without), one Parquet file, or ORG/NAME on
    the Hub at a `revision`, which is read from the data folder or the Hugging Face cache and fetched only with --download.
    Classes are those of the label's ClassLabel, in its order, or else the values in sorted order. A split that is not named
    is the official one of that kind, if there is one. InputError for missing or unusable parts, RunError for a failed fetch.
    """
    where = f"dataset hf:path={path}"
    library = _import()
    folder, origin = locate(path, revision, where)
    with TemporaryDirectory() as scratch:  # the files are streamed; only the library's locks go there
        builder, streams = _open(library, folder, config, scratch, where)
        refuse_missing_files(builder, where)
        user_names = {"train": train_split, "val": val_split, "cal": cal_split, "test": test_split}
        splits = choose_splits(user_names, list(streams), where)
        columns = choose_columns(streams[splits["train"]].features or {}, image, features, label, where)
        parts = {
            part: read_split(streams[name], columns, colour == "rgb", size, folder, f"{where}: split {name!r}")
            for part, name in splits.items()
        }
    for part, (_, labels) in parts.items():
        refuse_other_count(builder, splits[part], len(labels), where)
    classes, indices = class_indices(columns.classes, {part: labels for part, (_, labels) in parts.items()}, where)
    pairs = {part: (x, indices[part]) for part, (x, _) in parts.items()}
    return Arrays(
        *pairs["train"],
        val=pairs.get("val"),
        cal=pairs.get("cal"),
        test=pairs.get("test"),
        notes=(
            f"classes in order: {', '.join(classes)}",
            f"{origin}, by datasets {library.__version__}",
            *_split_notes(splits, list(streams)),
            *_content_notes(folder, columns, size),
        ),
        repeats="drop",
        class_names=tuple(classes),
    )


def _import() -> Any:
    """The library `datasets`; InputError that names the extra if it cannot be imported."""
    try:
        import datasets
    except ImportError as error:
        message = f"dataset hf needs the library datasets ({error})"
        raise InputError(message, 'pip install "calibench[vision]"') from None
    return datasets


def _open(library: Any, folder: Path, config: str | None, scratch: str, where: str) -> tuple[Any, dict[str, Any]]:
    """The library's builder of a folder or Parquet file, and its splits as streams by name."""
    try:
        if folder.is_dir():
            builder = library.load_dataset_builder(str(folder), name=config, cache_dir=scratch)
        else:
            builder = library.load_dataset_builder("parquet", data_files={"train": [str(folder)]}, cache_dir=scratch)
        return builder, dict(builder.as_streaming_dataset())
    except Exception as error:  # the library raises nearly anything
        message = f"{where}: it cannot be read: {reason(error)}"
        raise InputError(message, "config=NAME picks one of several; a damaged file: fetch it again") from None


def _split_notes(splits: dict[str, str], names: list[str]) -> list[str]:
    notes = [f"splits: {', '.join(f'{part} is {name!r}' for part, name in splits.items())}"]
    unused = [name for name in names if name not in splits.values()]
    return [*notes, f"splits that were not used: {', '.join(unused)}"] if unused else notes


def _content_notes(folder: Path, columns: HfColumns, size: int | None) -> list[str]:
    notes = []
    if words := licence(folder):
        notes.append(f"licence, as its card says: {words}")
    if size is not None and columns.image:
        notes.append(scaling_note(size))
    return notes
