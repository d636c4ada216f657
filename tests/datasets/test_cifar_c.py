"""`cifar10-c` and `cifar100-c` from small archives and folders, and from hostile ones."""

from __future__ import annotations

import dataclasses
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published_files import data_folder, md5, republish

import calibench
from calibench import InputError, RunError
from calibench.data.shift import Shifted, ShiftTask
from calibench_datasets.shift import cifar_c
from calibench_datasets.shift.corruption_names import EXTRA_KINDS, KINDS

ROWS = 6  # of the small test split


def images(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size=(5 * ROWS, 32, 32, 3), dtype=np.uint8)


LABELS = np.array([3, 8, 8, 0, 6, 6], dtype=np.uint8)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_files(kinds: tuple[str, ...] = KINDS) -> dict[str, bytes]:
    """The arrays as the authors wrote them with numpy.save, by name."""
    arrays = {kind: images(number) for number, kind in enumerate(kinds)} | {"labels": np.tile(LABELS, 5)}
    return {name: npy(array) for name, array in arrays.items()}


def write_tar(path: Path, contents: dict[str, bytes], empty_members: tuple[tarfile.TarInfo, ...] = ()) -> None:
    with tarfile.open(path, "w:") as archive:
        folder = tarfile.TarInfo("CIFAR-10-C")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in contents.items():
            entry = tarfile.TarInfo(f"CIFAR-10-C/{name}.npy")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for entry in empty_members:
            archive.addfile(entry)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch):
    """`archive(contents, empty_members, cut)` writes `tmp_path/cifar10-c/CIFAR-10-C.tar` and describes it as published."""

    def call(
        contents: dict[str, bytes] | None = None, empty_members: tuple[tarfile.TarInfo, ...] = (), cut: int = 0
    ) -> Path:
        path = tmp_path / "cifar10-c" / "CIFAR-10-C.tar"
        path.parent.mkdir(exist_ok=True)
        write_tar(path, npy_files() if contents is None else contents, empty_members)
        if cut:
            path.write_bytes(path.read_bytes()[:-cut])
        small = dataclasses.replace(cifar_c.CIFAR10_C, archive=republish(cifar_c.CIFAR10_C.archive, path))
        monkeypatch.setattr(cifar_c, "CIFAR10_C", small)
        return path

    return call


@pytest.fixture
def folder(tmp_path: Path, monkeypatch):
    """`folder(contents)` writes the extracted folder and describes its files as published."""

    def call(contents: dict[str, bytes]) -> Path:
        path = tmp_path / "CIFAR-10-C"
        path.mkdir(exist_ok=True)
        for name, content in contents.items():
            (path / f"{name}.npy").write_bytes(content)
        sums = {name: md5(content) for name, content in contents.items()}
        monkeypatch.setattr(cifar_c, "CIFAR10_C", dataclasses.replace(cifar_c.CIFAR10_C, md5=sums))
        return path

    return call


def task(white: float = 255.0, labels: np.ndarray = LABELS) -> ShiftTask:
    values = np.random.default_rng(99).integers(0, 256, size=(len(labels), 3, 32, 32))
    x = values.astype(np.float32) / np.float32(255 / white)
    return ShiftTask(x, labels.astype(np.int64), 10, 1, 0.0, white)


def read(path: Path, kinds: str | None = None, severities: tuple[int, ...] | None = None, **options: Any) -> Shifted:
    with data_folder(path):
        return cifar_c.cifar10_c(task(**options), kinds, severities)


def test_the_archive_is_read_without_unpacking_it(archive, tmp_path: Path):
    path = archive()
    shifted = read(tmp_path)
    assert [(v.kind, v.severity) for v in shifted.variants] == [(kind, s) for kind in KINDS for s in range(1, 6)]
    assert shifted.notes == (f"read from CIFAR-10-C.tar, MD5 {md5(path.read_bytes())}",)
    for kind, level in (("gaussian_noise", 1), ("snow", 3), ("jpeg_compression", 5)):
        x = next(v for v in shifted.variants if (v.kind, v.severity) == (kind, level)).x()
        source = images(KINDS.index(kind))[(level - 1) * ROWS : level * ROWS]
        assert x.dtype == np.float32
        assert x.flags.c_contiguous
        for row, channel, r, c in ((0, 0, 1, 2), (5, 2, 31, 30), (3, 1, 7, 7)):
            assert x[row, channel, r, c] == source[row, r, c, channel]
    scaled = read(tmp_path, "snow", (3,), white=1.0).variants[0].x()
    np.testing.assert_allclose(scaled * 255, read(tmp_path, "snow", (3,)).variants[0].x(), rtol=1e-6)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["CIFAR-10-C.tar", "cifar10-c"]


def test_the_extracted_folder_is_read_too_and_has_the_extra_four(folder, tmp_path: Path):
    folder(npy_files((*KINDS, *EXTRA_KINDS)))
    shifted = read(tmp_path, "spatter;fog", (5, 1))
    assert [v.name for v in shifted.variants] == ["spatter 5", "spatter 1", "fog 5", "fog 1"]
    source = images(len(KINDS) + EXTRA_KINDS.index("spatter"))
    np.testing.assert_array_equal(shifted.variants[0].x(), source[4 * ROWS :].transpose(0, 3, 1, 2))
    assert "folder CIFAR-10-C" in shifted.notes[0]
    with pytest.raises(InputError, match="there is no corruption 'rain'"):
        read(tmp_path, "rain")


def test_cifar100_c_is_read_from_its_own_folder(tmp_path: Path, monkeypatch):
    contents = npy_files(("fog",))
    folder = tmp_path / "cifar100-c" / "CIFAR-100-C"
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / f"{name}.npy").write_bytes(content)
    with data_folder(tmp_path):
        with pytest.raises(InputError, match="is not the published file: its md5"):
            cifar_c.cifar100_c(task(), "fog", (2,))
        sums = {name: md5(content) for name, content in contents.items()}
        monkeypatch.setattr(cifar_c, "CIFAR100_C", dataclasses.replace(cifar_c.CIFAR100_C, md5=sums))
        (variant,) = cifar_c.cifar100_c(task(), "fog", (2,)).variants
    np.testing.assert_array_equal(variant.x(), images(0)[ROWS : 2 * ROWS].transpose(0, 3, 1, 2))


def test_files_that_are_not_the_published_ones_are_refused(folder, tmp_path: Path):
    path = folder(npy_files())
    content = (path / "fog.npy").read_bytes()
    (path / "fog.npy").write_bytes(content[:-1] + b"?")
    with pytest.raises(InputError, match=r"fog\.npy' is not the published file: its md5 is"):
        read(tmp_path)
    read(tmp_path, "snow")  # only the files that are needed are read
    (path / "snow.npy").unlink()
    with pytest.raises(InputError, match=r"cannot read '.*snow\.npy': No such file"):
        read(tmp_path, "snow")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fog": npy(images(0)[:-1])}, r"fog\.npy has shape \[29, 32, 32, 3\], not \[30, 32, 32, 3\]"),
        ({"fog": npy(images(0).astype(np.int16))}, "holds int16, not bytes"),
        ({"fog": npy(np.asfortranarray(images(0)))}, "not bytes row by row"),
        ({"fog": npy(images(0))[:-100]}, "its header says"),
        ({"fog": b"not numpy"}, "is not an .npy array"),
        ({"labels": npy(np.tile(LABELS, 4))}, "labels.npy has 24 labels, and the data 6 test rows"),
        ({"labels": npy(np.tile(np.roll(LABELS, 1), 5))}, "labels.npy says 6 of test row 0, the data 3"),
        ({"labels": npy(np.r_[np.tile(LABELS, 4), LABELS[::-1]])}, "labels.npy says 3 of test row 0, the data 3"),
    ],
    ids=["rows", "type", "order", "cut", "no array", "labels", "other labels", "labels of one severity"],
)
def test_arrays_that_do_not_fit_are_refused(archive, folder, tmp_path: Path, change, message):
    contents = npy_files() | change
    archive(contents)
    with pytest.raises(InputError, match=message):
        read(tmp_path)
    (tmp_path / "cifar10-c" / "CIFAR-10-C.tar").unlink()
    folder(contents)
    with pytest.raises(InputError, match=message):
        read(tmp_path)


def test_hostile_and_damaged_archives_are_refused(archive, tmp_path: Path):
    archive(cut=30_000)
    with pytest.raises(InputError, match=r"damaged or cut short|has no CIFAR-10-C/"):
        read(tmp_path)
    without_fog = npy_files()
    without_fog.pop("fog")
    archive(without_fog)
    with pytest.raises(InputError, match=r"has no CIFAR-10-C/fog\.npy"):
        read(tmp_path)
    read(tmp_path, "snow")
    archive(without_fog, (tarfile.TarInfo("../../outside.npy"),))
    with pytest.raises(InputError, match="points outside of the archive"):
        read(tmp_path)
    link = tarfile.TarInfo("CIFAR-10-C/fog.npy")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    archive(without_fog, (link,))
    with pytest.raises(InputError, match="is not a plain file"):
        read(tmp_path)
    path = archive()
    path.write_bytes(b"0" * path.stat().st_size)
    with pytest.raises(InputError, match="is not the published file: its md5"):
        read(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=r"there is no CIFAR-10-C\.tar") as error:
        read(tmp_path)
    assert "or the folder CIFAR-10-C that it holds" in error.value.hint
    assert "2.92 GB" in error.value.hint or "MB" in error.value.hint


def test_a_file_that_shrinks_during_the_run_is_an_error(archive, tmp_path: Path):
    path = archive()
    shifted = read(tmp_path)
    path.write_bytes(path.read_bytes()[:10_000])
    with pytest.raises(RunError, match="has become shorter"):
        shifted.variants[-1].x()


def test_published_sizes_and_checksums_are_plausible():
    for published, mb in ((cifar_c.CIFAR10_C, 2918.47168), (cifar_c.CIFAR100_C, 2918.473216)):
        assert published.archive.size / 1e6 == pytest.approx(mb)
        assert set(published.md5) == {*KINDS, *EXTRA_KINDS, "labels"}
        assert all(len(md5) == 32 for md5 in (*published.md5.values(), published.archive.md5))
        # twenty arrays of 50 000 images, with headers and padding of tar
        assert 0 < published.archive.size - 19 * 50_000 * 3072 - 50_000 < 100_000
    shared = set(cifar_c.CIFAR10_C.md5.values()) & set(cifar_c.CIFAR100_C.md5.values())
    assert not shared


def test_data_of_another_form_are_refused(archive, tmp_path: Path):
    archive()
    with pytest.raises(InputError, match=r"labels\.npy has 30 labels, and the data 5 test rows"):
        read(tmp_path, labels=LABELS[:5])
    with data_folder(tmp_path):
        with pytest.raises(InputError, match=r"rows of shape \[32, 32, 3\], not \[3, 32, 32\]"):
            cifar_c.cifar10_c(dataclasses.replace(task(), x=np.zeros((6, 32, 32, 3), dtype=np.float32)), None, None)
        standardised = dataclasses.replace(task(), lowest=-2.0, highest=2.1)
        with pytest.raises(InputError, match=r"values run from -2 to 2\.1"):
            cifar_c.cifar10_c(standardised, None, None)


@pytest.mark.slow
def test_a_run_judges_every_variant_or_ends_before_training(archive, tmp_path: Path):
    archive()
    generator = np.random.default_rng(0)
    train_y = np.arange(200) % 10
    train_x = generator.integers(0, 256, size=(200, 3, 32, 32), dtype=np.uint8)
    test_x = generator.integers(0, 256, size=(ROWS, 3, 32, 32), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", train_x=train_x, train_y=train_y, test_x=test_x, test_y=LABELS)
    options = {"dataset": f"npz:path={tmp_path}/own.npz", "model": "mlp:hidden=8", "epochs": 1, "device": "cpu"}
    results = tmp_path / "results"
    record = calibench.run("ce", shift=["cifar10-c"], data_dir=tmp_path, results=results, **options)
    assert len(record.shift) == 75
    assert record.data["shift"][0]["mean_over"] == 75
    assert record.metrics["shift_accuracy_cifar10-c"] == pytest.approx(
        np.mean([row["metrics"]["accuracy"] for row in record.shift])
    )
    np.savez(tmp_path / "own.npz", train_x=train_x, train_y=train_y, test_x=test_x, test_y=np.roll(LABELS, 1))
    before = sorted(results.rglob("*"))
    with pytest.raises(InputError, match=r"labels\.npy says 3 of test row 0, the data 6"):
        calibench.run("ce", shift=["cifar10-c"], data_dir=tmp_path, results=results, **options)
    assert sorted(results.rglob("*")) == before
