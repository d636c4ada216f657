"""`images`: the user's own pictures, a folder for each class."""

from __future__ import annotations

from pathlib import Path

from calibench import REQUIRED, Arrays, DatasetSpec, InputError, Param
from calibench.data.arrays import Pair
from calibench.errors import did_you_mean
from calibench.lazy import np
from calibench_datasets.sources.pictures import PICTURE, pillow, stacked

SPLITS = ("train", "val", "cal", "test")
ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", ".gif", ".tif", ".tiff"})


SPEC = DatasetSpec(
    name="images",
    target=f"{__name__}:images",
    summary="Your own pictures: CLASS/NAME.png, or train/CLASS/NAME.png beside test/, val/, cal/; extra vision.",
    params=(
        Param("path", "path", REQUIRED, "a folder with a folder for each class, or for each split"),
        *PICTURE,
    ),
    licence="yours",
    source="the folder; classes in sorted order",
)


def images(path: str, colour: str, size: int | None) -> Arrays:
    """Pictures `CLASS/NAME.png`, or `train/CLASS/NAME.png` beside test/, val/ or cal/: `[N, 3, H, W]`, or `[N, H, W]` grey.

    Classes are the folders' names in sorted order, rows the files' names in sorted order within each; the record lists the
    classes. All pictures must have one shape, or are scaled to `size`. Names that begin with a dot are passed over; any
    other file that is no picture, a folder within a class, a class that train lacks: InputError naming it.
    """
    where = "dataset images"
    root = Path(path)
    if not root.is_dir():
        raise InputError(f"{where}: path={path} is not a folder", "name the folder that holds the classes' folders")
    pillow()
    top = _folders(root, where)
    splits = {name: root / name for name in SPLITS if name in top}
    if splits and set(top) - set(splits):
        odd = min(set(top) - set(splits))
        message = f"{where}: {path} holds the split {next(iter(splits))!r} and beside it the folder {odd!r}"
        raise InputError(message, f"either splits ({', '.join(SPLITS)}) or classes; {did_you_mean(odd, SPLITS)}")
    if splits and "train" not in splits:
        raise InputError(f"{where}: {path} holds {', '.join(splits)} but no train", "add the folder train")
    splits = splits or {"train": root}
    classes = _folders(splits["train"], where)
    if len(classes) < 2:
        message = f"{where}: {str(splits['train'])!r} holds {len(classes)} class folders"
        raise InputError(message, "a classifier needs at least two: CLASS/NAME.png")
    pairs = {name: _read(folder, classes, where, colour == "rgb", size) for name, folder in splits.items()}
    notes = [f"classes in order: {', '.join(classes)}"]
    if size is not None:
        notes.append(f"pictures of another size were scaled to {size} x {size}, bicubic")
    return Arrays(
        *pairs["train"], val=pairs.get("val"), cal=pairs.get("cal"), test=pairs.get("test"), notes=tuple(notes)
    )


def _entries(folder: Path, where: str) -> list[Path]:
    """What a folder holds in order of name, without names that begin with a dot."""
    try:
        return sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=lambda p: p.name)
    except OSError as error:
        raise InputError(f"{where}: cannot read {str(folder)!r}: {error.strerror or error}", "check it") from None


def _folders(folder: Path, where: str) -> list[str]:
    """Names of the folders in a folder that may hold nothing else."""
    entries = _entries(folder, where)
    odd = next((entry for entry in entries if not entry.is_dir()), None)
    if odd is not None:
        raise InputError(f"{where}: {str(odd)!r} stands where folders are expected", "move it elsewhere")
    return [entry.name for entry in entries]


def _read(folder: Path, classes: list[str], where: str, colour: bool, size: int | None) -> Pair:
    unknown = next((name for name in _folders(folder, where) if name not in classes), None)
    if unknown is not None:
        message = f"{where}: {str(folder)!r} has the class {unknown!r}, which train has not"
        raise InputError(message, did_you_mean(unknown, classes))
    files = [
        (file, number)
        for number, name in enumerate(classes)
        if (folder / name).is_dir()
        for file in _entries(folder / name, where)
    ]
    if not files:
        raise InputError(f"{where}: {str(folder)!r} holds no picture", "CLASS/NAME.png")
    contents = ((f"{where}: {str(file)!r}", _content(file, where)) for file, _ in files)
    rows = stacked(contents, len(files), colour, size, "size=32 scales all to 32 x 32")
    return rows, np.array([number for _, number in files], dtype=np.int64)


def _content(file: Path, where: str) -> bytes:
    if file.is_dir() or file.suffix.lower() not in ENDINGS:
        message = f"{where}: {str(file)!r} is no picture"
        raise InputError(message, f"a class folder holds pictures alone: {', '.join(sorted(ENDINGS))}")
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{where}: cannot read {str(file)!r}: {error.strerror or error}", "check it") from None
