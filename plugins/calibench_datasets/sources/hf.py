"""`hf`: a data set of the Hugging Face Hub, or a folder in its format, through the `datasets` library."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from calibench import REQUIRED, Arrays, DatasetSpec, InputError, Param, RunError
from calibench.data.folder import VARIABLE, DataFolder, data_folder
from calibench.errors import did_you_mean
from calibench_datasets.sources.hf_columns import Wanted, classes_of, rows_of, wanted_of
from calibench_datasets.sources.pictures import PICTURE

_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)?\Z")
_SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.\w+\Z")
_VALIDATION = ("validation", "valid", "val", "dev")
"""What people call the split that checkpoints are picked by."""


SPEC = DatasetSpec(
    name="hf",
    target=f"{__name__}:hf",
    summary="Pictures or stored features of the Hugging Face Hub (ORG/NAME), or of a folder in its format; extra vision.",
    params=(
        Param("path", "path", REQUIRED, "ORG/NAME on the Hub, a folder of Parquet files, or one such file"),
        Param("image", "str", None, "the column of pictures; not set: the only one"),
        Param(
            "features",
            "str",
            None,
            "columns of numbers, or of lists of them, joined by ';', in place of pictures",
        ),
        Param("label", "str", None, "the column to predict; not set: the only one of classes"),
        Param("revision", "str", None, "commit, tag or branch on the Hub; a commit pins it"),
        Param("config", "str", None, "which of the set's configurations, if it has several"),
        Param("train_split", "str", None, "not set: train, or the only one"),
        Param("val_split", "str", None, "not set: validation, valid, val or dev, else held out of train"),
        Param("cal_split", "str", None, "not set: held out of train"),
        Param("test_split", "str", None, "not set: test, else held out of train"),
        *PICTURE,
    ),
    licence="each its own; the record's notes say what its card says",
    source="https://huggingface.co/datasets, through the library datasets; the record's notes hold the commit",
    paper="Q. Lhoest et al., Datasets: A Community Library for Natural Language Processing, EMNLP 2021 (arXiv 2109.02846)",
)


def hf(
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
    the Hub at a `revision`: read from the data folder or the Hugging Face cache, and fetched only with --download. Classes
    are those of its ClassLabel, in its order, else the values in sorted order. A split that is not named is the official
    one of that kind, where there is one. InputError for what is missing or has another form, RunError for a failed fetch.
    """
    where = f"dataset hf:path={path}"
    library = _import()
    folder, origin = _folder(path, revision, where)
    with TemporaryDirectory() as scratch:  # streamed from the files; only locks go there
        try:
            builder = _builder(library, folder, config, scratch)
            streams = dict(builder.as_streaming_dataset())
        except Exception as error:  # the library raises nearly anything
            message = f"{where}: it cannot be read: {_reason(error)}"
            raise InputError(message, "config=NAME picks one of several; a damaged file: fetch it again") from None
        _refuse_parts(builder, where)
        asked = {"train": train_split, "val": val_split, "cal": cal_split, "test": test_split}
        splits = _splits(asked, list(streams), where)
        wanted = wanted_of(streams[splits["train"]], image, features, label, where)
        found = {
            part: _rows(streams[name], wanted, colour == "rgb", size, folder, f"{where}: split {name!r}")
            for part, name in splits.items()
        }
    for part, (_, labels) in found.items():
        _refuse_count(builder, splits[part], len(labels), where)
    names, labels = classes_of(wanted, {part: labels for part, (_, labels) in found.items()}, where)
    pairs = {part: (x, labels[part]) for part, (x, _) in found.items()}
    notes = [f"classes in order: {', '.join(names)}", f"{origin}, by datasets {library.__version__}"]
    notes.append(f"splits: {', '.join(f'{part} is {name!r}' for part, name in splits.items())}")
    if idle := [name for name in streams if name not in splits.values()]:
        notes.append(f"splits that were not used: {', '.join(idle)}")
    if licence := _licence(folder):
        notes.append(f"licence, as its card says: {licence}")
    if size is not None and wanted.image:
        notes.append(f"pictures of another size were scaled to {size} x {size}, bicubic")
    return Arrays(
        *pairs["train"],
        val=pairs.get("val"),
        cal=pairs.get("cal"),
        test=pairs.get("test"),
        notes=tuple(notes),
        repeats="drop",
    )


def _import() -> Any:
    """The library, or an error that names what to install."""
    try:
        import datasets
    except ImportError as error:
        raise InputError(
            f"dataset hf needs the library datasets ({error})", 'pip install "calibench[vision]"'
        ) from None
    return datasets


def _builder(library: Any, folder: Path, config: str | None, scratch: str) -> Any:
    if folder.is_dir():
        return library.load_dataset_builder(str(folder), name=config, cache_dir=scratch)
    return library.load_dataset_builder("parquet", data_files={"train": [str(folder)]}, cache_dir=scratch)


def _folder(path: str, revision: str | None, where: str) -> tuple[Path, str]:
    """Where the files lie, and what the record says of where they came from."""
    local = Path(path).expanduser()
    if local.is_dir() or local.is_file():
        if revision is not None:
            raise InputError(f"{where}: revision={revision} would do nothing, {path!r} is here", "leave it out")
        if local.is_file() and local.suffix.lower() != ".parquet":
            raise InputError(f"{where}: {path!r} is no Parquet file", "name a folder, a .parquet file, or ORG/NAME")
        return local, f"read from {local.name}"
    if not _NAME.match(path):
        raise InputError(f"{where}: there is no such folder, and ORG/NAME on the Hub looks otherwise", "check the path")
    if revision is None:
        message = f"{where}: there is no such folder; of a set on the Hub say which revision"
        raise InputError(message, "revision=COMMIT pins it for good, revision=main is what stands there today")
    found = _snapshot(path, revision, data_folder(), where)
    return found, f"read from {path} on the Hugging Face Hub, revision {revision}, commit {found.name}"


def _snapshot(name: str, revision: str, folder: DataFolder, where: str) -> Path:
    """A whole copy of the set's files, in the data folder or the usual Hugging Face cache; fetched if that was asked for."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    own = folder.path / "huggingface" / re.sub(r"[^\w.-]", "--", f"{name}@{revision}")
    for cache in (own, None):
        with suppress(LocalEntryNotFoundError, OSError):
            held = snapshot_download(
                name, repo_type="dataset", revision=revision, cache_dir=cache, local_files_only=True
            )
            return Path(held)
    if not folder.download:
        from huggingface_hub.constants import HF_HUB_CACHE

        message = f"{where} at {revision} is neither in {str(own)!r} nor in {HF_HUB_CACHE!r}"
        command = f"hf download {name} --repo-type dataset --revision {revision}"
        ways = f"--download fetches it from https://huggingface.co/datasets/{name}; or there: {command}"
        raise InputError(message, f"{ways}; --data-dir or {VARIABLE} names another folder")
    _fetch(name, revision, own, where)
    return Path(snapshot_download(name, repo_type="dataset", revision=revision, cache_dir=own, local_files_only=True))


def _fetch(name: str, revision: str, own: Path, where: str) -> None:
    """Fetch the files of one revision into a cache of its own, which takes its name when it is whole."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    part = own.with_name(f"{own.name}.part")
    try:
        snapshot_download(name, repo_type="dataset", revision=revision, cache_dir=part, ignore_patterns=["*.py"])
        part.rename(own)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        shutil.rmtree(part, ignore_errors=True)
        _tidy(own)
        what = "revision" if isinstance(error, RevisionNotFoundError) else "public set"
        raise InputError(f"{where}: the Hub has no such {what}", "check ORG/NAME and revision; hf auth login") from None
    except Exception as error:  # whatever its HTTP library raises
        if not any(file.is_file() and file.stat().st_size for file in part.rglob("blobs/*")):
            shutil.rmtree(part, ignore_errors=True)
            _tidy(own)
        hint = "run again, whole files that have come are kept; is HF_HUB_OFFLINE set?"
        raise RunError(f"{where}: cannot download it from the Hugging Face Hub: {_reason(error)}", hint) from None


def _tidy(own: Path) -> None:
    """Remove the folder of caches, and the data folder, if nothing is in them."""
    for folder in (own.parent, own.parent.parent):
        with suppress(OSError):
            folder.rmdir()


def _reason(error: Exception) -> str:
    """The first lines of what a library says, on one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def _licence(folder: Path) -> str:
    """What the set's README states as its licence; the library itself does not pass it on."""
    from huggingface_hub import DatasetCard

    card = folder / "README.md"
    if not card.is_file():
        return ""
    said = DatasetCard(card.read_text(encoding="utf-8", errors="replace"), ignore_metadata_errors=True).data.get(
        "license"
    )
    return ", ".join(map(str, said)) if isinstance(said, list) else str(said or "")


def _refuse_parts(builder: Any, where: str) -> None:
    """InputError where of the numbered files of a split one is missing, as after a download that broke off."""
    for split, files in (builder.config.data_files or {}).items():
        shards = [match for file in files if (match := _SHARD.match(str(file)))]
        for stem, total in {(shard[1], int(shard[3])) for shard in shards}:
            held = {int(shard[2]) for shard in shards if shard[1] == stem and int(shard[3]) == total}
            if len(held) != total:
                gone = min(set(range(total)) - held)
                message = (
                    f"{where}: split {split!r} is cut short: file {gone:05d} of {total} is missing ({Path(stem).name})"
                )
                raise InputError(message, "fetch the set again")


def _refuse_count(builder: Any, split: str, rows: int, where: str) -> None:
    """InputError where the set's card names another number of rows than there are."""
    stated = (builder.info.splits or {}).get(split)
    if stated is not None and stated.num_examples and stated.num_examples != rows:
        message = f"{where}: split {split!r} has {rows} rows, and {stated.num_examples} as its README says"
        raise InputError(message, "fetch the set again")


def _splits(asked: Mapping[str, str | None], found: list[str], where: str) -> dict[str, str]:
    """For train and as far as they are there val, cal and test the name of the official split."""
    usual = {"train": ["train"], "val": [name for name in _VALIDATION if name in found], "cal": [], "test": ["test"]}
    if "train" not in found and len(found) == 1:
        usual["train"] = found
    if len(usual["val"]) > 1:
        raise InputError(f"{where}: both {' and '.join(usual['val'])} are there", "say which: val_split=NAME")
    taken = {}
    for part, name in asked.items():
        if name is not None and name not in found:
            raise InputError(f"{where}: {part}_split={name}: there is no such split", did_you_mean(name, found))
        named = [other for other in asked.values() if other is not None]
        official = next(
            (usual_name for usual_name in usual[part] if usual_name in found and usual_name not in named), None
        )
        if name or official:
            taken[part] = str(name or official)
    if "train" not in taken:
        raise InputError(f"{where}: there is no split train, but {', '.join(found)}", "say which: train_split=NAME")
    twice = next((name for name in taken.values() if list(taken.values()).count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{where}: the split {twice!r} is to be two things", "a figure on seen rows means nothing")
    return taken


def _rows(stream: Any, wanted: Wanted, colour: bool, size: int | None, folder: Path, where: str) -> Any:
    try:
        return rows_of(stream, wanted, colour, size, folder, where)
    except InputError:
        raise
    except Exception as error:  # pyarrow and the library raise nearly anything on a damaged file
        raise InputError(f"{where}: it cannot be read: {_reason(error)}", "fetch the set again") from None
