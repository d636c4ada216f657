"""`tiny-imagenet` from small zips and folders of real JPEG files, and from hostile ones."""

from __future__ import annotations

import dataclasses
import io
import stat
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published_files import load_from, md5, republish

from calibench import InputError
from calibench_datasets.sources import tiny_imagenet as tiny

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

WNIDS = ["n02", "n09", "n01"]  # not sorted, like the official list


def jpeg(level: int, grey: bool = False, side: int = 64) -> bytes:
    values = np.full((side, side) if grey else (side, side, 3), level, dtype=np.uint8)
    if not grey:
        values[..., 2] = 255 - level
    file = io.BytesIO()
    Image.fromarray(values).save(file, format="JPEG", quality=95)
    return file.getvalue()


def members() -> dict[str, bytes]:
    contents = {"wnids.txt": "\n".join(WNIDS).encode(), "words.txt": b"n01\tone, uno\nn02\ttwo\nn77\tother\n"}
    for number, wnid in enumerate(WNIDS):
        contents[f"train/{wnid}/{wnid}_boxes.txt"] = b""
        for i in range(12):
            contents[f"train/{wnid}/images/{wnid}_{i}.JPEG"] = jpeg(60 * number + 3 * i, grey=(number, i) == (1, 11))
    labels = ["n01", "n02", "n09", "n01"]
    lines = [f"val_{i}.JPEG\t{wnid}\t0\t0\t62\t62" for i, wnid in enumerate(labels)]
    contents["val/val_annotations.txt"] = ("\n".join(lines) + "\n").encode()
    contents |= {f"val/images/val_{i}.JPEG": jpeg(200 + 5 * i) for i in range(4)}
    return {f"tiny-imagenet-200/{name}": content for name, content in contents.items()}


@pytest.fixture
def write(tmp_path: Path, monkeypatch):
    """`write(change, unsafe, cut)` writes tiny-imagenet-200.zip, changed, with unsafe members or cut, as if published so."""

    def call(change: dict[str, bytes | None] | None = None, unsafe: Any = (), cut: int | None = None) -> Path:
        path = tmp_path / "data" / "tiny-imagenet" / "tiny-imagenet-200.zip"
        path.parent.mkdir(parents=True)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in (members() | {f"tiny-imagenet-200/{n}": c for n, c in (change or {}).items()}).items():
                if content is not None:
                    archive.writestr(name, content)
            for member in unsafe:
                archive.writestr(member, b"x")
        path.write_bytes(path.read_bytes()[:cut])
        archive = republish(tiny.TINY_IMAGENET.archive, path)
        small = dataclasses.replace(tiny.TINY_IMAGENET, archive=archive, classes=3, per_class=12, val=4)
        monkeypatch.setattr(tiny, "TINY_IMAGENET", small)
        return tmp_path / "data"

    return call


@pytest.mark.parametrize("extracted", [False, True])
def test_images_are_in_the_official_order(extracted: bool, write) -> None:
    folder = write()
    if extracted:
        path = folder / "tiny-imagenet" / "tiny-imagenet-200.zip"
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        path.unlink()
    arrays = load_from(folder, tiny.tiny_imagenet)
    assert arrays.x.shape == (36, 3, 64, 64)
    assert arrays.y.tolist() == [0] * 12 + [1] * 12 + [2] * 12
    assert arrays.test[1].tolist() == [2, 0, 1, 2], "classes are not numbered as wnids.txt lists them"
    for row in (0, 10, 11, 12, 30):  # row 10 is file _10, which sorts before _2 by name
        level = 60 * (row // 12) + 3 * (row % 12)
        assert np.abs(arrays.x[row, :, 9, 50].astype(int) - [level, level, 255 - level]).max() <= 3, row
    assert np.ptp(arrays.x[23, :, 9, 50]) == 0, "grey did not become three equal channels"
    assert np.abs(arrays.test[0][3, :, 0, 0].astype(int) - [215, 215, 40]).max() <= 3
    assert arrays.notes[0] == "classes in order: two, n09, one"
    assert ("MD5" in arrays.notes[1]) is not extracted


def link() -> zipfile.ZipInfo:
    member = zipfile.ZipInfo("tiny-imagenet-200/link")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"unsafe": ["tiny-imagenet-200/../../escaped"]}, "points outside"),
        ({"unsafe": ["/absolute"]}, "points outside"),
        ({"unsafe": [link()]}, "is a link"),
        ({"cut": -30}, "damaged or cut short"),
        ({"cut": 5000}, "damaged or cut short"),
        ({"cut": 0}, "damaged or cut short"),
        ({"change": {"wnids.txt": b"n01 n02"}}, "does not list 3 classes"),
        ({"change": {"wnids.txt": None}}, "no member 'tiny-imagenet-200/wnids.txt'"),
        ({"change": {"words.txt": b"\xff\xfe"}}, "not UTF-8"),
        ({"change": {"val/val_annotations.txt": b"val_0.JPEG\tn01\n"}}, "does not list 4 files"),
        ({"change": {"val/val_annotations.txt": b"val_0.JPEG\tn55\n"}}, "which is not a file and its class"),
        ({"change": {"train/n01/images/n01_7.JPEG": None}}, "no member .*n01_7.JPEG"),
        ({"change": {"train/n01/images/n01_7.JPEG": jpeg(3)[:300]}}, "n01_7.JPEG: not an image, or damaged"),
        ({"change": {"val/images/val_2.JPEG": jpeg(3, side=32)}}, "val_2.JPEG has 32 x 32 pixels"),
        ({"change": {"val/images/val_2.JPEG": jpeg(3, side=65)}}, "claims 65 x 65 pixels"),
    ],
)
def test_archives_of_another_form_are_refused(how: dict[str, Any], message: str, write) -> None:
    folder = write(**how)
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError, match=message):
        load_from(folder, tiny.tiny_imagenet)
    assert sorted(folder.rglob("*")) == before
    assert not (folder.parent / "escaped").exists()


def test_annotations_cannot_name_files_outside_the_extracted_folder(write) -> None:
    lines = b"".join(b"%s\tn01\t0\t0\t1\t1\n" % name for name in (b"../../../secret", b"a", b"b", b"c"))
    folder = write({"val/val_annotations.txt": lines})
    path = folder / "tiny-imagenet" / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(path.parent)
    path.unlink()
    with pytest.raises(InputError, match="points outside"):
        load_from(folder, tiny.tiny_imagenet)


def test_a_changed_member_is_refused_even_with_the_right_checksum(write, monkeypatch) -> None:
    folder = write()
    path = folder / "tiny-imagenet" / "tiny-imagenet-200.zip"
    content = path.read_bytes()
    start = content.index(b"n02\nn09")
    path.write_bytes(content[:start] + b"n03" + content[start + 3 :])
    with pytest.raises(InputError, match="not the published file"):
        load_from(folder, tiny.tiny_imagenet)
    archive = dataclasses.replace(tiny.TINY_IMAGENET.archive, md5=md5(path.read_bytes()))
    monkeypatch.setattr(tiny, "TINY_IMAGENET", dataclasses.replace(tiny.TINY_IMAGENET, archive=archive))
    with pytest.raises(InputError, match="is damaged: Bad CRC-32"):
        load_from(folder, tiny.tiny_imagenet)
