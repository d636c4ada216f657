"""Images as bytes in an `.npz` are decoded as Pillow decodes them; arrays that do not fit together are refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calibench import InputError
from calibench_datasets.sources.npz import npz

SIDE = (6, 8)  # rows, columns


def images(n: int, seed: int = 0, side: tuple[int, int] = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size=(n, *side, 3), dtype=np.uint8)


def encode(rows: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    files = []
    for row in rows:
        file = io.BytesIO()
        Image.fromarray(row).save(file, kind.upper())
        files.append(file.getvalue())
    return np.frombuffer(b"".join(files), np.uint8), np.cumsum([0, *map(len, files)]).astype(np.int32)


def split(part: str, n: int, kind: str = "jpeg", seed: int = 0) -> dict[str, np.ndarray]:
    content, offsets = encode(images(n, seed), kind)
    return {f"{part}_{kind}": content, f"{part}_offsets": offsets, f"{part}_label": np.arange(n, dtype=np.uint8) % 3}


def save(folder: Path, **arrays: np.ndarray) -> str:
    np.savez(folder / "a.npz", **arrays)
    return str(folder / "a.npz")


def test_png_images_are_read_without_loss(tmp_path: Path) -> None:
    arrays = npz(save(tmp_path, **split("train", 7, "png")))
    np.testing.assert_array_equal(arrays.x, images(7).transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(arrays.y, np.arange(7) % 3)
    assert arrays.notes == ()


def test_jpeg_images_are_as_pillow_decodes_them_with_a_note(tmp_path: Path) -> None:
    stored = split("train", 5) | split("test", 4, seed=1)
    arrays = npz(save(tmp_path, **stored, class_names=np.array(["ant", "bee", "cat"])))
    for part, x in (("train", arrays.x), ("test", arrays.test[0])):
        offsets = stored[f"{part}_offsets"]
        for i, row in enumerate(x):
            file = io.BytesIO(stored[f"{part}_jpeg"][offsets[i] : offsets[i + 1]].tobytes())
            np.testing.assert_array_equal(row, np.asarray(Image.open(file)).transpose(2, 0, 1))
    assert "train and test are stored as JPEG" in arrays.notes[0]
    assert arrays.notes[1] == "classes in order: ant, bee, cat"


def test_a_run_records_the_notes(cli, tmp_path: Path) -> None:
    save(tmp_path, **split("train", 90), **split("test", 60, seed=1))
    ran = cli("run", "-m", "ce", "-d", "npz:path=a.npz", "--model", "cnn", "--epochs", "1", "--json")
    assert ran.code == 0, ran.err
    assert "stored as JPEG" in ran.document["data"]["notes"][0]
    assert ran.document["n"]["test"] == 60


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_offsets": None}, "there is no train_offsets"),
        ({"train_label": None}, "there is no train_label"),
        ({"train_jpeg": None}, "there is no train_jpeg"),
        ({"train_png": np.zeros(3, np.uint8)}, "both train_jpeg and train_png"),
        ({"train_x": np.zeros((5, 3)), "train_y": np.zeros(5, int)}, "train is there twice"),
        ({"train_jpeg": np.zeros(900, np.float32)}, r"train_jpeg is \[900\] float32"),
        ({"train_label": np.arange(4)}, r"train_offsets is \[6\] int32, and train_label \[4\]"),
        ({"train_offsets": np.array([0, 5, 5, 9, 12, 20])}, "does not rise"),
        ({"train_offsets": np.array([0, 100, 200, 300, 400, 10**6])}, "does not rise"),
        ({"train_offsets": np.array([-700, 100, 200, 300, 400, 500])}, "does not rise"),
        ({"train_offsets": np.array([0, 9, 20, 30, 40, 50])}, "image 0 of train: not an image, or damaged"),
        ({"class_name": np.array(["a"])}, "no array is called 'class_name'"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(
    change: dict[str, np.ndarray | None], message: str, tmp_path: Path
) -> None:
    arrays = {name: value for name, value in (split("train", 5) | change).items() if value is not None}
    with pytest.raises(InputError, match=message):
        npz(save(tmp_path, **arrays))


def test_images_of_two_sizes_are_refused(tmp_path: Path) -> None:
    arrays = split("train", 3)
    content, offsets = encode(images(1, side=(5, 5)), "jpeg")
    arrays["train_jpeg"] = np.concatenate([arrays["train_jpeg"], content])
    arrays["train_offsets"] = np.append(arrays["train_offsets"], arrays["train_offsets"][-1] + offsets[1])
    arrays["train_label"] = np.arange(4)
    with pytest.raises(InputError, match=r"image 3 of train has 5 x 5 pixels, .*image 0 of train 6 x 8"):
        npz(save(tmp_path, **arrays))
