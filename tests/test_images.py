"""`images` and `tiny-imagenet` from small folders and zips of real PNG and JPEG files, and from hostile ones."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import stat
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibench import InputError
from calibench.data.folder import using_data_folder
from calibench_datasets.sources import tiny_imagenet as tiny
from calibench_datasets.sources.images import images

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def save(path: Path, values: np.ndarray, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **options)


def noise(seed: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def fill(root: Path, names: tuple[str, ...], rows: int, seed: int) -> None:
    for number, name in enumerate(names):
        for row in range(rows):
            save(root / name / f"{row:03}.png", noise(1000 * seed + 100 * number + row))


def read(path: Path, colour: str = "rgb", size: int | None = None):
    return images(str(path), colour, size)


def test_classes_rows_and_channels(tmp_path: Path) -> None:
    fill(tmp_path, ("zebra", "ant"), 3, 0)
    (tmp_path / ".DS_Store").write_bytes(b"")
    arrays = read(tmp_path)
    assert arrays.x.shape == (6, 3, 8, 8)
    assert arrays.x.dtype == np.uint8
    assert arrays.y.tolist() == [0, 0, 0, 1, 1, 1]
    assert arrays.notes == ("classes in order: ant, zebra",)
    assert (arrays.test, arrays.val, arrays.cal) == (None, None, None)
    for row, seed in enumerate([100, 101, 102, 0, 1, 2]):  # ant was written second
        np.testing.assert_array_equal(arrays.x[row], noise(seed).transpose(2, 0, 1))


def test_splits_share_the_classes_of_train(tmp_path: Path) -> None:
    fill(tmp_path / "train", ("a", "b", "c"), 2, 0)
    fill(tmp_path / "test", ("c", "a"), 1, 1)
    fill(tmp_path / "val", ("b",), 1, 2)
    arrays = read(tmp_path)
    assert arrays.test[1].tolist() == [0, 2]
    np.testing.assert_array_equal(arrays.test[0][1], noise(1000).transpose(2, 0, 1))
    assert arrays.val[1].tolist() == [1]
    assert arrays.cal is None


def test_kinds_of_pictures_and_grey(tmp_path: Path) -> None:
    colour = np.zeros((4, 5, 3), dtype=np.uint8)
    colour[..., 0], colour[..., 1], colour[..., 2] = 200, 100, 50
    grey = np.full((4, 5), 77, dtype=np.uint8)
    save(tmp_path / "a" / "0.png", colour)
    save(tmp_path / "a" / "1.JPG", colour, format="JPEG", quality=100, subsampling=0)
    save(tmp_path / "a" / "2.bmp", colour)
    save(tmp_path / "a" / "3.png", np.dstack([colour, np.full((4, 5), 9, np.uint8)]))  # with transparency
    save(tmp_path / "b" / "0.png", grey)
    palette = Image.fromarray(colour).quantize(4)
    palette.save(tmp_path / "b" / "1.gif")
    arrays = read(tmp_path)
    assert arrays.x.shape == (6, 3, 4, 5)
    for row in (0, 1, 2, 3, 5):
        assert np.abs(arrays.x[row, :, 2, 3].astype(int) - [200, 100, 50]).max() <= 2, row
    assert arrays.x[4, :, 2, 3].tolist() == [77, 77, 77]
    one = read(tmp_path, "grey")
    assert one.x.shape == (6, 4, 5)
    assert one.x[4, 0, 0] == 77
    assert abs(int(one.x[0, 0, 0]) - round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)) <= 1


def test_sizes_differ_unless_scaled(tmp_path: Path) -> None:
    fill(tmp_path, ("a", "b"), 2, 0)
    save(tmp_path / "b" / "big.png", np.full((20, 10, 3), 60, dtype=np.uint8))
    with pytest.raises(InputError, match=r"big.png' has 20 x 10 pixels, .*000.png' 8 x 8") as raised:
        read(tmp_path)
    assert "size=" in raised.value.hint
    arrays = read(tmp_path, size=8)
    assert arrays.x.shape == (5, 3, 8, 8)
    assert (arrays.x[4] == 60).all()
    np.testing.assert_array_equal(arrays.x[0], noise(0).transpose(2, 0, 1))
    assert "scaled to 8 x 8" in arrays.notes[1]


def damaged(tmp_path: Path) -> Path:
    fill(tmp_path, ("a", "b"), 2, 0)
    return tmp_path / "b" / "000.png"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a picture, or damaged"),
        (b"GIF89a", "not a picture, or damaged"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", "not a picture, or damaged"),
        (None, "not a picture, or damaged"),
    ],
    ids=["empty", "cut header", "a program", "cut short"],
)
def test_what_is_no_picture_is_named(content: bytes | None, says: str, tmp_path: Path) -> None:
    file = damaged(tmp_path)
    file.write_bytes(file.read_bytes()[:-40] if content is None else content)
    with pytest.raises(InputError, match=f"b/000.png': {says}"):
        read(tmp_path)


def test_a_format_that_is_not_listed_is_refused_under_any_name(tmp_path: Path) -> None:
    """Pillow reads it, and others (EPS) by starting a program: what is not in the list is never opened."""
    file = damaged(tmp_path)
    Image.fromarray(noise(1)).save(file, format="PCX")
    assert Image.open(file).format == "PCX"
    with pytest.raises(InputError, match="not a picture"):
        read(tmp_path)


def test_too_deep_and_too_large_pictures_are_refused(tmp_path: Path) -> None:
    file = damaged(tmp_path)
    Image.fromarray(np.full((8, 8), 40_000, dtype=np.uint16)).save(file)
    with pytest.raises(InputError, match="more than 8 bits"):
        read(tmp_path)
    raw = bytearray(b"P5 60000 60000 255\n")
    file.unlink()
    (tmp_path / "b" / "bomb.pgm").write_bytes(raw)
    with pytest.raises(InputError, match=r"bomb\.pgm"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda r: (r / "a" / "notes.txt").write_text("x"), r"a/notes.txt' is no picture"),
        (lambda r: (r / "a" / "deeper").mkdir(), r"a/deeper' is no picture"),
        (lambda r: (r / "labels.csv").write_text("x"), "labels.csv' stands where folders are expected"),
        (lambda r: (r / "train").mkdir(), "holds the split 'train' and beside it the folder 'a'"),
        (lambda r: [(r / "a").rename(r / "test"), (r / "b").rename(r / "val")], "no train"),
        (lambda r: [f.unlink() for f in r.rglob("*.png")], "holds no picture"),
    ],
)
def test_folders_of_another_form_are_refused(make: Any, says: str, tmp_path: Path) -> None:
    fill(tmp_path, ("a", "b"), 1, 0)
    make(tmp_path)
    with pytest.raises(InputError, match=says):
        read(tmp_path)


def test_a_class_that_train_lacks_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "train", ("cat", "dog"), 1, 0)
    fill(tmp_path / "test", ("cat", "dogs"), 1, 1)
    with pytest.raises(InputError, match="has the class 'dogs', which train has not") as raised:
        read(tmp_path)
    assert "did you mean 'dog'?" in raised.value.hint


def test_from_the_command_line(cli, refused, tmp_path: Path, monkeypatch) -> None:
    fill(tmp_path / "p", ("a", "b"), 30, 0)
    run = ("run", "-m", "ce", "--model", "cnn:width=4", "--epochs", 1, "--json", "--threads", 1)
    ran = cli(*run, "-d", "images:path=p,size=6,colour=grey")
    assert ran.code == 0, ran.err
    assert ran.document["data"]["notes"][0] == "classes in order: a, b"
    refused(*run, "-d", "images:path=nowhere", says="path=nowhere is not a folder")
    monkeypatch.setitem(sys.modules, "PIL", None)
    refused(*run, "-d", "images:path=p", says="Pillow", hint='pip install "calibench[vision]"')


WNIDS = ["n02", "n09", "n01"]  # not in sorted order, as the official list is not


def jpeg(level: int, grey: bool = False, side: int = 64) -> bytes:
    values = np.full((side, side) if grey else (side, side, 3), level, dtype=np.uint8)
    if not grey:
        values[..., 2] = 255 - level
    file = io.BytesIO()
    Image.fromarray(values).save(file, format="JPEG", quality=95)
    return file.getvalue()


def members() -> dict[str, bytes]:
    held = {"wnids.txt": "\n".join(WNIDS).encode(), "words.txt": b"n01\tone, uno\nn02\ttwo\nn77\tother\n"}
    for number, wnid in enumerate(WNIDS):
        held[f"train/{wnid}/{wnid}_boxes.txt"] = b""
        for i in range(12):
            held[f"train/{wnid}/images/{wnid}_{i}.JPEG"] = jpeg(60 * number + 3 * i, grey=(number, i) == (1, 11))
    labels = ["n01", "n02", "n09", "n01"]
    lines = [f"val_{i}.JPEG\t{wnid}\t0\t0\t62\t62" for i, wnid in enumerate(labels)]
    held["val/val_annotations.txt"] = ("\n".join(lines) + "\n").encode()
    held |= {f"val/images/val_{i}.JPEG": jpeg(200 + 5 * i) for i in range(4)}
    return {f"tiny-imagenet-200/{name}": content for name, content in held.items()}


@pytest.fixture
def small(tmp_path: Path, monkeypatch):
    """`small(change, extra, cut)` writes tiny-imagenet-200.zip, with members changed or added, and describes it as published."""

    def written(change: dict[str, bytes | None] | None = None, extra: Any = (), cut: int | None = None) -> Path:
        path = tmp_path / "data" / "tiny-imagenet" / "tiny-imagenet-200.zip"
        path.parent.mkdir(parents=True)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in (members() | {f"tiny-imagenet-200/{n}": c for n, c in (change or {}).items()}).items():
                if content is not None:
                    archive.writestr(name, content)
            for member in extra:
                archive.writestr(member, b"x")
        path.write_bytes(path.read_bytes()[:cut])
        known, content = tiny.TINY_IMAGENET, path.read_bytes()
        file = dataclasses.replace(known.archive, size=len(content), md5=hashlib.md5(content).hexdigest())
        monkeypatch.setattr(
            tiny, "TINY_IMAGENET", dataclasses.replace(known, archive=file, classes=3, per_class=12, val=4)
        )
        return tmp_path / "data"

    return written


def read_tiny(folder: Path):
    with using_data_folder(folder, False, lambda *words: None):
        return tiny.tiny_imagenet()


@pytest.mark.parametrize("extracted", [False, True])
def test_tiny_imagenet_order_labels_and_channels(extracted: bool, small) -> None:
    folder = small()
    if extracted:
        path = folder / "tiny-imagenet" / "tiny-imagenet-200.zip"
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        path.unlink()
    arrays = read_tiny(folder)
    assert arrays.x.shape == (36, 3, 64, 64)
    assert arrays.y.tolist() == [0] * 12 + [1] * 12 + [2] * 12
    assert arrays.test[1].tolist() == [2, 0, 1, 2], "classes are numbered as wnids.txt lists them"
    for row in (0, 10, 11, 12, 30):  # 10 is _10, which sorts before _2 by name
        level = 60 * (row // 12) + 3 * (row % 12)
        assert np.abs(arrays.x[row, :, 9, 50].astype(int) - [level, level, 255 - level]).max() <= 3, row
    assert np.ptp(arrays.x[23, :, 9, 50]) == 0, "grey became three equal channels"
    assert np.abs(arrays.test[0][3, :, 0, 0].astype(int) - [215, 215, 40]).max() <= 3
    assert arrays.notes[0] == "classes in order: two, n09, one"
    assert ("MD5" in arrays.notes[1]) is not extracted


def link() -> zipfile.ZipInfo:
    made = zipfile.ZipInfo("tiny-imagenet-200/link")
    made.external_attr = (stat.S_IFLNK | 0o777) << 16
    return made


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"extra": ["tiny-imagenet-200/../../escaped"]}, "points outside"),
        ({"extra": ["/absolute"]}, "points outside"),
        ({"extra": [link()]}, "is a link"),
        ({"cut": -30}, "damaged or cut short"),
        ({"cut": 5000}, "damaged or cut short"),
        ({"cut": 0}, "damaged or cut short"),
        ({"change": {"wnids.txt": b"n01 n02"}}, "does not list 3 classes"),
        ({"change": {"wnids.txt": None}}, "no member 'tiny-imagenet-200/wnids.txt'"),
        ({"change": {"words.txt": b"\xff\xfe"}}, "not UTF-8"),
        ({"change": {"val/val_annotations.txt": b"val_0.JPEG\tn01\n"}}, "does not list 4 files"),
        ({"change": {"val/val_annotations.txt": b"val_0.JPEG\tn55\n"}}, "no file and class"),
        ({"change": {"train/n01/images/n01_7.JPEG": None}}, "no member .*n01_7.JPEG"),
        ({"change": {"train/n01/images/n01_7.JPEG": jpeg(3)[:300]}}, "n01_7.JPEG: not a picture, or damaged"),
        ({"change": {"val/images/val_2.JPEG": jpeg(3, side=32)}}, "val_2.JPEG has 32 x 32 pixels"),
        ({"change": {"val/images/val_2.JPEG": jpeg(3, side=65)}}, "claims 65 x 65 pixels"),
    ],
)
def test_tiny_imagenet_of_another_form_is_refused(change: dict[str, Any], says: str, small) -> None:
    folder = small(**change)
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError, match=says):
        read_tiny(folder)
    assert sorted(folder.rglob("*")) == before
    assert not (folder.parent / "escaped").exists()


def test_names_in_the_annotations_stay_in_the_extracted_folder(small) -> None:
    lines = b"".join(b"%s\tn01\t0\t0\t1\t1\n" % name for name in (b"../../../secret", b"a", b"b", b"c"))
    folder = small({"val/val_annotations.txt": lines})
    path = folder / "tiny-imagenet" / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(path.parent)
    path.unlink()
    with pytest.raises(InputError, match="points outside"):
        read_tiny(folder)


def test_a_member_whose_content_was_changed_is_refused(small, monkeypatch) -> None:
    folder = small()
    path = folder / "tiny-imagenet" / "tiny-imagenet-200.zip"
    content = path.read_bytes()
    at = content.index(b"n02\tn09" if b"n02\tn09" in content else b"n02\nn09")
    path.write_bytes(content[:at] + b"n03" + content[at + 3 :])
    with pytest.raises(InputError, match="not the published file"):
        read_tiny(folder)
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    file = dataclasses.replace(tiny.TINY_IMAGENET.archive, md5=md5)
    monkeypatch.setattr(tiny, "TINY_IMAGENET", dataclasses.replace(tiny.TINY_IMAGENET, archive=file))
    with pytest.raises(InputError, match="is damaged: Bad CRC-32"):
        read_tiny(folder)
