"""`images`: the user's own images, a folder for each class."""

from __future__ import annotations

from pathlib import Path

from calibench import REQUIRED, Arrays, DatasetSpec, InputError, Param
from calibench.data.arrays import Pair
from calibench.errors import did_you_mean
from calibench.lazy import np
from calibench_datasets.readers.files import read_bytes, unreadable_file
from calibench_datasets.readers.image_files import IMAGE_PARAMS, pillow, scaling_note, stack_images

SPLITS = ("train", "val", "cal", "test")
ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm", ".gif", ".tif", ".tiff"})


SPEC = DatasetSpec(
    name="images",
    target=f"{__name__}:images",
    summary="Your own images: CLASS/NAME.png, or train/CLASS/NAME.png beside test/, val/, cal/; extra vision.",
    params=(
        Param("path", "path", REQUIRED, "a folder with a folder for each class, or for each split"),
        *IMAGE_PARAMS,
    ),
    licence="yours",
    source="the folder; classes in sorted order",
)


def images(path: str, colour: str, size: int | None) -> Arrays:
    """Images `CLASS/NAME.png`, or `train/CLASS/NAME.png` beside test/, val/ or cal/: `[N, 3, H, W]`, or `[N, H, W]` grey.

    Classes are the folders' names in sorted order, which the record lists; rows are the files' names in sorted order within
    each class. All images must have one shape, or are scaled to `size`. Names that begin with a dot are passed over.
    InputError naming any other file that is not an image, a folder within a class, or a class that train lacks.
    """
    where = "dataset images"
    root = Path(path)
    if not root.is_dir():
        raise InputError(f"{where}: path={path} is not a folder", "name the folder that holds the classes' folders")
    pillow()
    splits = _split_folders(root, where)
    classes = _folder_names(splits["train"], where)
    if len(classes) < 2:
        message = f"{where}: {str(splits['train'])!r} holds {len(classes)} class folders"
        raise InputError(message, "a classifier needs at least two: CLASS/NAME.png")
    pairs = {name: _read(folder, classes, where, colour == "rgb", size) for name, folder in splits.items()}
    notes = [f"classes in order: {', '.join(classes)}"]
    if size is not None:
        notes.append(scaling_note(size))
    return Arrays(
        *pairs["train"],
        val=pairs.get("val"),
        cal=pairs.get("cal"),
        test=pairs.get("test"),
        notes=tuple(notes),
        class_names=tuple(classes),
    )


def _split_folders(root: Path, where: str) -> dict[str, Path]:
    """The folder of each split; `root` itself is train if it holds classes. InputError for a mixture, and for no train."""
    names = _folder_names(root, where)
    splits = {name: root / name for name in SPLITS if name in names}
    if not splits:
        return {"train": root}
    others = sorted(set(names) - set(splits))
    if others:
        message = f"{where}: {root} holds the split {next(iter(splits))!r} and beside it the folder {others[0]!r}"
        raise InputError(message, f"either splits ({', '.join(SPLITS)}) or classes; {did_you_mean(others[0], SPLITS)}")
    if "train" not in splits:
        raise InputError(f"{where}: {root} holds {', '.join(splits)} but no train", "add the folder train")
    return splits


def _entries(folder: Path, where: str) -> list[Path]:
    """Files and folders in a folder in order of name, without names that begin with a dot."""
    try:
        return sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=lambda p: p.name)
    except OSError as error:
        raise unreadable_file(folder, where, error, "check it") from None


def _folder_names(folder: Path, where: str) -> list[str]:
    """Names of the folders in a folder; InputError if it holds a file."""
    entries = _entries(folder, where)
    file = next((entry for entry in entries if not entry.is_dir()), None)
    if file is not None:
        raise InputError(f"{where}: {str(file)!r} stands where folders are expected", "move it elsewhere")
    return [entry.name for entry in entries]


def _read(folder: Path, classes: list[str], where: str, colour: bool, size: int | None) -> Pair:
    """The images and class indices of one split."""
    unknown = next((name for name in _folder_names(folder, where) if name not in classes), None)
    if unknown is not None:
        message = f"{where}: {str(folder)!r} has the class {unknown!r}, which train does not have"
        raise InputError(message, did_you_mean(unknown, classes))
    files = [
        (file, number)
        for number, name in enumerate(classes)
        if (folder / name).is_dir()
        for file in _entries(folder / name, where)
    ]
    if not files:
        raise InputError(f"{where}: {str(folder)!r} holds no image", "CLASS/NAME.png")
    contents = ((f"{where}: {str(file)!r}", _content(file, where)) for file, _ in files)
    rows = stack_images(contents, len(files), colour, size, "size=32 scales all to 32 x 32")
    return rows, np.array([number for _, number in files], dtype=np.int64)


def _content(file: Path, where: str) -> bytes:
    if file.is_dir() or file.suffix.lower() not in ENDINGS:
        message = f"{where}: {str(file)!r} is not an image"
        raise InputError(message, f"a class folder holds images alone: {', '.join(sorted(ENDINGS))}")
    return read_bytes(file, where, "check it")
