"""`images` from small folders of real image files, and from hostile ones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibench import InputError
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


def test_rows_are_in_order_of_class_and_name(tmp_path: Path) -> None:
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


def test_all_splits_have_the_classes_of_train(tmp_path: Path) -> None:
    fill(tmp_path / "train", ("a", "b", "c"), 2, 0)
    fill(tmp_path / "test", ("c", "a"), 1, 1)
    fill(tmp_path / "val", ("b",), 1, 2)
    arrays = read(tmp_path)
    assert arrays.test[1].tolist() == [0, 2]
    np.testing.assert_array_equal(arrays.test[0][1], noise(1000).transpose(2, 0, 1))
    assert arrays.val[1].tolist() == [1]
    assert arrays.cal is None


def test_formats_transparency_palettes_and_grey(tmp_path: Path) -> None:
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
    single = read(tmp_path, "grey")
    assert single.x.shape == (6, 4, 5)
    assert single.x[4, 0, 0] == 77
    assert abs(int(single.x[0, 0, 0]) - round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)) <= 1


def test_images_of_two_sizes_are_refused_or_scaled(tmp_path: Path) -> None:
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


def file_to_damage(tmp_path: Path) -> Path:
    fill(tmp_path, ("a", "b"), 2, 0)
    return tmp_path / "b" / "000.png"


@pytest.mark.parametrize(
    "content",
    [b"", b"GIF89a", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", None],
    ids=["empty", "cut header", "a program", "cut short"],
)
def test_a_file_that_is_not_an_image_is_named(content: bytes | None, tmp_path: Path) -> None:
    file = file_to_damage(tmp_path)
    file.write_bytes(file.read_bytes()[:-40] if content is None else content)
    with pytest.raises(InputError, match=r"b/000\.png': not an image, or damaged"):
        read(tmp_path)


def test_other_formats_are_refused_under_any_name(tmp_path: Path) -> None:
    """Pillow reads them, some (EPS) by starting a program: a format that is not in the list is never opened."""
    file = file_to_damage(tmp_path)
    Image.fromarray(noise(1)).save(file, format="PCX")
    assert Image.open(file).format == "PCX"
    with pytest.raises(InputError, match="not an image"):
        read(tmp_path)


def test_images_of_16_bits_or_too_many_pixels_are_refused(tmp_path: Path) -> None:
    file = file_to_damage(tmp_path)
    Image.fromarray(np.full((8, 8), 40_000, dtype=np.uint16)).save(file)
    with pytest.raises(InputError, match="more than 8 bits"):
        read(tmp_path)
    raw = bytearray(b"P5 60000 60000 255\n")
    file.unlink()
    (tmp_path / "b" / "bomb.pgm").write_bytes(raw)
    with pytest.raises(InputError, match=r"bomb\.pgm"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: (r / "a" / "notes.txt").write_text("x"), r"a/notes.txt' is not an image"),
        (lambda r: (r / "a" / "deeper").mkdir(), r"a/deeper' is not an image"),
        (lambda r: (r / "labels.csv").write_text("x"), "labels.csv' stands where folders are expected"),
        (lambda r: (r / "train").mkdir(), "holds the split 'train' and beside it the folder 'a'"),
        (lambda r: [(r / "a").rename(r / "test"), (r / "b").rename(r / "val")], "no train"),
        (lambda r: [f.unlink() for f in r.rglob("*.png")], "holds no image"),
    ],
)
def test_folders_of_another_form_are_refused(change: Any, message: str, tmp_path: Path) -> None:
    fill(tmp_path, ("a", "b"), 1, 0)
    change(tmp_path)
    with pytest.raises(InputError, match=message):
        read(tmp_path)


def test_a_class_that_train_lacks_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "train", ("cat", "dog"), 1, 0)
    fill(tmp_path / "test", ("cat", "dogs"), 1, 1)
    with pytest.raises(InputError, match="has the class 'dogs', which train does not have") as raised:
        read(tmp_path)
    assert "did you mean 'dog'?" in raised.value.hint


def test_a_run_on_a_folder_of_images(cli, refused, tmp_path: Path, monkeypatch) -> None:
    fill(tmp_path / "p", ("a", "b"), 30, 0)
    run = ("run", "-m", "ce", "--model", "cnn:width=4", "--epochs", 1, "--json", "--threads", 1)
    ran = cli(*run, "-d", "images:path=p,size=6,colour=grey")
    assert ran.code == 0, ran.err
    assert ran.document["data"]["notes"][0] == "classes in order: a, b"
    refused(*run, "-d", "images:path=nowhere", says="path=nowhere is not a folder")
    monkeypatch.setitem(sys.modules, "PIL", None)
    refused(*run, "-d", "images:path=p", says="Pillow", hint='pip install "calibench[vision]"')
