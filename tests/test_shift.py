"""Shifts of test rows: rotation, label shift, the published CIFAR-C files and hostile ones, and what a plugin may get wrong."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import calibench
from calibench import InputError, PluginError, RunError, ShiftSpec, Variant
from calibench.config.grammar import bind
from calibench.data.folder import using_data_folder
from calibench.data.load_shifts import load_shifts
from calibench.data.prepare import Data, prepare
from calibench.data.shift import Shifted, ShiftTask
from calibench.plugins.discovery import registry
from calibench_datasets.shift import cifar_c
from calibench_datasets.shift.corruption_names import EXTRA_KINDS, KINDS
from calibench_datasets.shift.label_shift import label_shift
from calibench_datasets.shift.rotation import rotation

ROWS = 6  # of the small test split


def task(x: np.ndarray, y: np.ndarray | None = None, classes: int = 3, labels_per_sample: int = 1) -> ShiftTask:
    y = np.arange(len(x)) % classes if y is None else y
    return ShiftTask(x, y, classes, labels_per_sample, float(x.min()), float(x.max()))


# --- rotation -------------------------------------------------------------------------------------------------------


def test_rotation_turns_counter_clockwise():
    generator = np.random.default_rng(0)
    x = generator.random((4, 3, 8, 8)).astype(np.float32)
    turned = {angle: rotation(task(x), (angle,))[0].x() for angle in (0, 90, 180, 270, -90, 450)}
    assert [v.name for v in rotation(task(x), (10, 45, 90, 135, 180))][1] == "rotation 45"
    np.testing.assert_array_equal(turned[0], x)
    np.testing.assert_array_equal(turned[90][0, 0], np.rot90(x[0, 0]))  # numpy's default is counter-clockwise
    np.testing.assert_array_equal(turned[90][0, 0, -1, 0], x[0, 0, 0, 0])  # the top left corner goes to the bottom left
    np.testing.assert_array_equal(turned[180], x[..., ::-1, ::-1])
    np.testing.assert_array_equal(turned[450], turned[90])
    np.testing.assert_array_equal(turned[-90], turned[270])
    for angle in (10, 45, 135):  # bilinear by hand, about the centre, 0 outside
        (variant,) = rotation(task(x), (angle,))
        found = variant.x()
        turn = np.deg2rad(angle)
        rows, columns = np.mgrid[:8, :8] - 3.5
        back = (rows * np.cos(turn) + columns * np.sin(turn) + 3.5, -rows * np.sin(turn) + columns * np.cos(turn) + 3.5)
        expected = [[ndimage.map_coordinates(c, back, order=1) for c in image] for image in x]
        np.testing.assert_allclose(found, expected, atol=1e-6)
    flat = task(x[:, 0])
    np.testing.assert_array_equal(rotation(flat, (45,))[0].x(), rotation(task(x[:, :1]), (45,))[0].x()[:, 0])
    wide = x[:, :, :5]
    assert rotation(task(wide), (90,))[0].x().shape == wide.shape
    np.testing.assert_array_equal(rotation(task(wide), (180,))[0].x(), wide[..., ::-1, ::-1])


def test_a_right_angle_is_what_other_angles_tend_to():
    x = np.random.default_rng(1).random((2, 1, 9, 9)).astype(np.float32)
    near, exact = (rotation(task(x), (angle,))[0].x() for angle in (90.0001, 90.0))
    np.testing.assert_allclose(near[..., 1:-1, 1:-1], exact[..., 1:-1, 1:-1], atol=1e-3)


def test_rotation_refuses_what_is_no_picture_and_an_angle_twice():
    with pytest.raises(InputError, match="no pictures"):
        rotation(task(np.zeros((3, 13), dtype=np.float32)), (10,))
    with pytest.raises(InputError, match="given twice"):
        rotation(task(np.zeros((3, 8, 8), dtype=np.float32)), (10, 370))


# --- label shift ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_label_shift_takes_rows_without_repetition_to_the_prior(seed):
    generator = np.random.default_rng(seed)
    y = generator.permutation(np.repeat([0, 1, 2], [200, 300, 500]))
    x = np.arange(1000, dtype=np.float32)[:, None]
    (variant,) = label_shift(task(x, y), None, (0.2, 0.8, 0.0), seed)
    assert len(np.unique(variant.rows)) == len(variant.rows) == 375  # 300 of class 1 are 80 % of 375
    assert np.bincount(y[variant.rows], minlength=3).tolist() == [75, 300, 0]
    assert variant.about["prior"] == [0.2, 0.8, 0.0]
    assert variant.about["distance"] == pytest.approx(0.5)  # (|0.2-0.2| + |0.8-0.3| + |0-0.5|) / 2
    np.testing.assert_array_equal(variant.x(), x[variant.rows])
    uniform = label_shift(task(x, y), None, (0.2, 0.3, 0.5), 0)[0]
    assert len(uniform.rows) == 1000
    assert uniform.about["distance"] == 0


def test_dirichlet_shares_spread_as_alpha_falls():
    y = np.arange(4000) % 10
    x = np.zeros((4000, 1), dtype=np.float32)
    found = label_shift(task(x, y, 10), (100.0, 1.0, 0.1), None, 3)
    assert [(v.kind, v.severity) for v in found] == [("dirichlet", 100), ("dirichlet", 1), ("dirichlet", 0.1)]
    distances = [v.about["distance"] for v in found]
    assert distances[0] < 0.1 < distances[1] < distances[2]
    for variant in found:
        realised = np.bincount(y[variant.rows], minlength=10) / len(variant.rows)
        np.testing.assert_allclose(realised, variant.about["prior"])
        assert np.abs(realised - variant.about["prior_asked"]).max() <= 10 / len(variant.rows)
        assert max(np.bincount(y[variant.rows])) > 0.99 * 400  # the class that bounds it is used up
    again = label_shift(task(x, y, 10), (100.0, 1.0, 0.1), None, 3)
    for a, b in zip(found, again, strict=True):
        np.testing.assert_array_equal(a.rows, b.rows)
    assert label_shift(task(x, y, 10), (100.0,), None, 4)[0].about["prior"] != found[0].about["prior"]
    assert [v.severity for v in label_shift(task(x, y, 10), None, None, 0)] == [10, 1, 0.1]


def test_label_shift_refuses():
    x, y = np.zeros((30, 1), dtype=np.float32), np.arange(30) % 3
    for match, more in (
        ("both given", {"alphas": (1.0,), "prior": (0.2, 0.3, 0.5)}),
        ("prior has 2 shares", {"alphas": None, "prior": (0.5, 0.5)}),
        ("sum 1.2", {"alphas": None, "prior": (0.5, 0.5, 0.2)}),
        ("alpha is given twice", {"alphas": (1.0, 1.0), "prior": None}),
    ):
        with pytest.raises(InputError, match=match):
            label_shift(task(x, y), seed=0, **more)
    with pytest.raises(InputError, match="leaves 8 of 30 test rows"):
        label_shift(task(x, np.repeat([0, 1, 2], [4, 20, 6])), None, (0.5, 0.0, 0.5), 0)
    with pytest.raises(InputError, match="have 2 labels each"):
        label_shift(task(x, np.ones((30, 2), dtype=np.int64), 2, 2), None, None, 0)


# --- published files ------------------------------------------------------------------------------------------------


def pictures(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size=(5 * ROWS, 32, 32, 3), dtype=np.uint8)


LABELS = np.array([3, 8, 8, 0, 6, 6], dtype=np.uint8)


def files(kinds: tuple[str, ...] = KINDS) -> dict[str, bytes]:
    """The arrays as the authors wrote them with numpy.save, by name."""
    arrays = {kind: pictures(number) for number, kind in enumerate(kinds)} | {"labels": np.tile(LABELS, 5)}
    held = {}
    for name, array in arrays.items():
        file = io.BytesIO()
        np.save(file, array)
        held[name] = file.getvalue()
    return held


def write_tar(path: Path, held: dict[str, bytes], extra: tuple[tarfile.TarInfo, ...] = ()) -> None:
    with tarfile.open(path, "w:") as archive:
        folder = tarfile.TarInfo("CIFAR-10-C")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in held.items():
            entry = tarfile.TarInfo(f"CIFAR-10-C/{name}.npy")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for entry in extra:
            archive.addfile(entry)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch):
    """`archive(held, extra)` writes CIFAR-10-C.tar into `tmp_path/cifar10-c` and describes it as the published one."""

    def written(held: dict[str, bytes] | None = None, extra: tuple[tarfile.TarInfo, ...] = (), cut: int = 0) -> Path:
        path = tmp_path / "cifar10-c" / "CIFAR-10-C.tar"
        path.parent.mkdir(exist_ok=True)
        write_tar(path, files() if held is None else held, extra)
        if cut:
            path.write_bytes(path.read_bytes()[:-cut])
        content = path.read_bytes()
        known = cifar_c.CIFAR10_C
        file = dataclasses.replace(known.archive, size=len(content), md5=hashlib.md5(content).hexdigest())
        monkeypatch.setattr(cifar_c, "CIFAR10_C", dataclasses.replace(known, archive=file))
        return path

    return written


@pytest.fixture
def folder(tmp_path: Path, monkeypatch):
    """`folder(held)` writes the extracted folder and describes its files as published."""

    def written(held: dict[str, bytes]) -> Path:
        path = tmp_path / "CIFAR-10-C"
        path.mkdir(exist_ok=True)
        for name, content in held.items():
            (path / f"{name}.npy").write_bytes(content)
        sums = {name: hashlib.md5(content).hexdigest() for name, content in held.items()}
        monkeypatch.setattr(cifar_c, "CIFAR10_C", dataclasses.replace(cifar_c.CIFAR10_C, md5=sums))
        return path

    return written


def cifar_task(top: float = 255.0, labels: np.ndarray = LABELS) -> ShiftTask:
    x = np.random.default_rng(99).integers(0, 256, size=(len(labels), 3, 32, 32)).astype(np.float32) / np.float32(
        255 / top
    )
    return ShiftTask(x, labels.astype(np.int64), 10, 1, 0.0, top)


def read(where: Path, kinds: str | None = None, severities: tuple[int, ...] | None = None, **more: Any) -> Shifted:
    with using_data_folder(where, False, lambda *words: None):
        return cifar_c.cifar10_c(cifar_task(**more), kinds, severities)


def test_the_tar_is_read_where_it_lies(archive, tmp_path: Path):
    path = archive()
    shifted = read(tmp_path)
    assert [(v.kind, v.severity) for v in shifted.variants] == [(kind, s) for kind in KINDS for s in range(1, 6)]
    assert shifted.notes == (f"read from CIFAR-10-C.tar, MD5 {hashlib.md5(path.read_bytes()).hexdigest()}",)
    for kind, level in (("gaussian_noise", 1), ("snow", 3), ("jpeg_compression", 5)):
        x = next(v for v in shifted.variants if (v.kind, v.severity) == (kind, level)).x()
        source = pictures(KINDS.index(kind))[(level - 1) * ROWS : level * ROWS]
        assert x.dtype == np.float32
        assert x.flags.c_contiguous
        for row, channel, r, c in ((0, 0, 1, 2), (5, 2, 31, 30), (3, 1, 7, 7)):
            assert x[row, channel, r, c] == source[row, r, c, channel]
    scaled = read(tmp_path, "snow", (3,), top=1.0).variants[0].x()
    np.testing.assert_allclose(scaled * 255, read(tmp_path, "snow", (3,)).variants[0].x(), rtol=1e-6)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["CIFAR-10-C.tar", "cifar10-c"]


def test_the_folder_does_as_well_and_the_extra_four_are_there_for_the_asking(folder, tmp_path: Path):
    folder(files((*KINDS, *EXTRA_KINDS)))
    shifted = read(tmp_path, "spatter;fog", (5, 1))
    assert [v.name for v in shifted.variants] == ["spatter 5", "spatter 1", "fog 5", "fog 1"]
    source = pictures(len(KINDS) + EXTRA_KINDS.index("spatter"))
    np.testing.assert_array_equal(shifted.variants[0].x(), source[4 * ROWS :].transpose(0, 3, 1, 2))
    assert "folder CIFAR-10-C" in shifted.notes[0]
    with pytest.raises(InputError, match="there is no corruption 'rain'"):
        read(tmp_path, "rain")


def test_cifar100_c_is_read_the_same_way(tmp_path: Path, monkeypatch):
    held = files(("fog",))
    folder = tmp_path / "cifar100-c" / "CIFAR-100-C"
    folder.mkdir(parents=True)
    for name, content in held.items():
        (folder / f"{name}.npy").write_bytes(content)
    with using_data_folder(tmp_path, False, lambda *words: None):
        with pytest.raises(InputError, match="is not the published file: its md5"):
            cifar_c.cifar100_c(cifar_task(), "fog", (2,))
        sums = {name: hashlib.md5(content).hexdigest() for name, content in held.items()}
        monkeypatch.setattr(cifar_c, "CIFAR100_C", dataclasses.replace(cifar_c.CIFAR100_C, md5=sums))
        (variant,) = cifar_c.cifar100_c(cifar_task(), "fog", (2,)).variants
    np.testing.assert_array_equal(variant.x(), pictures(0)[ROWS : 2 * ROWS].transpose(0, 3, 1, 2))


def test_files_that_are_not_the_published_ones_are_refused(folder, tmp_path: Path):
    path = folder(files())
    content = (path / "fog.npy").read_bytes()
    (path / "fog.npy").write_bytes(content[:-1] + b"?")
    with pytest.raises(InputError, match=r"fog\.npy' is not the published file: its md5 is"):
        read(tmp_path)
    read(tmp_path, "snow")  # it reads what it needs
    (path / "snow.npy").unlink()
    with pytest.raises(InputError, match=r"cannot read '.*snow\.npy': No such file"):
        read(tmp_path, "snow")


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"fog": npy(pictures(0)[:-1])}, r"fog\.npy has shape \[29, 32, 32, 3\], not \[30, 32, 32, 3\]"),
        ({"fog": npy(pictures(0).astype(np.int16))}, "holds int16, not bytes"),
        ({"fog": npy(np.asfortranarray(pictures(0)))}, "not bytes row by row"),
        ({"fog": npy(pictures(0))[:-100]}, "its header says"),
        ({"fog": b"not numpy"}, "is not an .npy array"),
        ({"labels": npy(np.tile(LABELS, 4))}, "labels.npy has 24 labels, and the data 6 test rows"),
        ({"labels": npy(np.tile(np.roll(LABELS, 1), 5))}, "labels.npy says 6 of test row 0, the data 3"),
        ({"labels": npy(np.r_[np.tile(LABELS, 4), LABELS[::-1]])}, "labels.npy says 3 of test row 0, the data 3"),
    ],
    ids=["rows", "type", "order", "cut", "no array", "labels", "other labels", "labels of one severity"],
)
def test_content_that_does_not_fit_is_refused(archive, folder, tmp_path: Path, change, match):
    held = files() | change
    archive(held)
    with pytest.raises(InputError, match=match):
        read(tmp_path)
    (tmp_path / "cifar10-c" / "CIFAR-10-C.tar").unlink()
    folder(held)
    with pytest.raises(InputError, match=match):
        read(tmp_path)


def test_hostile_and_damaged_archives(archive, tmp_path: Path):
    archive(cut=30_000)
    with pytest.raises(InputError, match=r"damaged or cut short|has no CIFAR-10-C/"):
        read(tmp_path)
    held = files()
    held.pop("fog")
    archive(held)
    with pytest.raises(InputError, match=r"has no CIFAR-10-C/fog\.npy"):
        read(tmp_path)
    read(tmp_path, "snow")
    archive(held, (tarfile.TarInfo("../../outside.npy"),))
    with pytest.raises(InputError, match="points outside of the archive"):
        read(tmp_path)
    link = tarfile.TarInfo("CIFAR-10-C/fog.npy")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    archive(held, (link,))
    with pytest.raises(InputError, match="is no plain file"):
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


def test_a_file_that_shrinks_during_the_run_is_an_error_and_no_crash(archive, tmp_path: Path):
    path = archive()
    shifted = read(tmp_path)
    path.write_bytes(path.read_bytes()[:10_000])
    with pytest.raises(RunError, match="has become shorter"):
        shifted.variants[-1].x()


def test_published_sizes_and_sums_are_well_formed():
    for known, mb in ((cifar_c.CIFAR10_C, 2918.47168), (cifar_c.CIFAR100_C, 2918.473216)):
        assert known.archive.size / 1e6 == pytest.approx(mb)
        assert set(known.md5) == {*KINDS, *EXTRA_KINDS, "labels"}
        assert all(len(md5) == 32 for md5 in (*known.md5.values(), known.archive.md5))
        # twenty arrays of 50 000 pictures, with headers and padding of tar
        assert 0 < known.archive.size - 19 * 50_000 * 3072 - 50_000 < 100_000
    shared = set(cifar_c.CIFAR10_C.md5.values()) & set(cifar_c.CIFAR100_C.md5.values())
    assert not shared


def test_other_data_are_refused(archive, tmp_path: Path):
    archive()
    with pytest.raises(InputError, match=r"labels\.npy has 30 labels, and the data 5 test rows"):
        read(tmp_path, labels=LABELS[:5])
    with using_data_folder(tmp_path, False, lambda *words: None):
        with pytest.raises(InputError, match=r"rows of shape \[32, 32, 3\], not \[3, 32, 32\]"):
            cifar_c.cifar10_c(task(np.zeros((6, 32, 32, 3), dtype=np.float32)), None, None)
        standardised = dataclasses.replace(cifar_task(), lowest=-2.0, highest=2.1)
        with pytest.raises(InputError, match=r"values run from -2 to 2\.1"):
            cifar_c.cifar10_c(standardised, None, None)


def test_a_run_on_published_files(archive, tmp_path: Path):
    archive()
    generator = np.random.default_rng(0)
    train_y = np.arange(200) % 10
    train_x = generator.integers(0, 256, size=(200, 3, 32, 32), dtype=np.uint8)
    test_x = generator.integers(0, 256, size=(ROWS, 3, 32, 32), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", train_x=train_x, train_y=train_y, test_x=test_x, test_y=LABELS)
    more = {"dataset": f"npz:path={tmp_path}/own.npz", "model": "mlp:hidden=8", "epochs": 1, "device": "cpu"}
    found = tmp_path / "results"
    record = calibench.run("ce", shift=["cifar10-c"], data_dir=tmp_path, results=found, **more)
    assert len(record.shift) == 75
    assert record.data["shift"][0]["mean_over"] == 75
    assert record.metrics["shift_accuracy_cifar10-c"] == pytest.approx(
        np.mean([row["metrics"]["accuracy"] for row in record.shift])
    )
    np.savez(tmp_path / "own.npz", train_x=train_x, train_y=train_y, test_x=test_x, test_y=np.roll(LABELS, 1))
    before = sorted(found.rglob("*"))
    with pytest.raises(InputError, match=r"labels\.npy says 3 of test row 0, the data 6"):
        calibench.run("ce", shift=["cifar10-c"], data_dir=tmp_path, results=found, **more)
    assert sorted(found.rglob("*")) == before


# --- what a plugin may get wrong ------------------------------------------------------------------------------------


def small_data() -> Data:
    generator = np.random.default_rng(0)
    y = np.arange(90) % 3
    shares = {"val": 0.2, "cal": 0.2, "test": 0.2, "split_seed": 0}
    arrays = calibench.Arrays(x=generator.random((90, 4)).astype(np.float32), y=y)
    return prepare(arrays, shares, frozenset(), "here")


def loaded(make: Any, monkeypatch, data: Data | None = None, **spec: Any):
    data = data or small_data()
    monkeypatch.setattr(ShiftSpec, "load", lambda self: make)
    bound = bind(ShiftSpec(name="mine", target="my_module:mine", summary="Mine.", **spec), [])
    return load_shifts([bound], data)[0], bound, data


def test_a_shift_is_asked_before_training_and_its_rows_are_made_later(monkeypatch):
    asked = []

    def mine(task: ShiftTask) -> list[Variant]:
        asked.append((task.x.shape, task.num_classes, task.lowest >= 0, task.highest <= 1))
        return [Variant("a", s, functools.partial(asked.append, s)) for s in (1, 2)]

    shift, _, data = loaded(mine, monkeypatch)
    assert asked == [(data.test.x.shape, 3, True, True)]
    assert [v.name for v in shift.mean_over] == ["a 1", "a 2"]
    assert shift.text == "mine"


def test_the_mean_needs_every_variant_that_it_names(monkeypatch):
    def some(task: ShiftTask, *missing: float) -> list[Variant]:
        return [Variant("a", s, lambda: task.x) for s in (1, 2, 3) if s not in missing]

    over = (("a", 1.0), ("a", 2.0))
    assert [v.severity for v in loaded(some, monkeypatch, mean_over=over)[0].mean_over] == [1, 2]
    without = functools.partial(lambda task: some(task, 2))
    assert loaded(without, monkeypatch, mean_over=over)[0].mean_over == []


def test_wrong_variants_are_named(monkeypatch):
    def refused(make: Any, match: str, error: type[Exception] = PluginError) -> None:
        with pytest.raises(error, match=match):
            loaded(make, monkeypatch)

    x = np.zeros((18, 4))
    refused(lambda task: [x], "returned a ndarray, not a calibench.Variant")
    refused(lambda task: [], "makes no variant", InputError)
    refused(lambda task: [Variant("a", 1, lambda: x), Variant("a", 1.0, lambda: x)], "'a 1' twice")
    refused(lambda task: [Variant("a", float("nan"), lambda: x)], "without a kind or a finite severity")
    refused(lambda task: [Variant("a", 1, lambda: x, rows=np.array([0, 0]))], "are not different test rows 0 .. 17")
    refused(lambda task: [Variant("a", 1, lambda: x, rows=np.array([18]))], "are not different test rows")
    refused(lambda task: [Variant("a", True, lambda: x)], "without a kind or a finite severity")
    refused(lambda task: [Variant("a", 1, lambda: x, about={"mean": np.zeros(2)})], "`about` of a 1 is not JSON")
    refused(lambda task: 1 / 0, "division by zero", RunError)

    def wrong(x: np.ndarray, match: str, **more: Any) -> None:
        shift, bound, data = loaded(lambda task: [Variant("a", 1, lambda: x, **more)], monkeypatch)
        with pytest.raises(RunError, match=match):
            variant_rows(shift.variants[0], bound, data)

    wrong(np.zeros((18, 5)), r"shape \[18, 5\], not \[18, 4\]")
    wrong(np.zeros((18, 4)), r"shape \[18, 4\], not \[2, 4\]", rows=np.array([4, 1]))
    wrong(np.full((18, 4), np.nan), "values that are not finite")

    def in_place(task: ShiftTask) -> list[Variant]:
        return [Variant("a", 1, lambda: np.multiply(task.x, 2, out=task.x))]

    shift, bound, data = loaded(in_place, monkeypatch)
    before = data.test.x.copy()
    with pytest.raises(RunError, match="read-only"):
        variant_rows(shift.variants[0], bound, data)
    np.testing.assert_array_equal(data.test.x, before)
    shift, bound, data = loaded(lambda task: [Variant("a", np.float32(1), lambda: task.x)], monkeypatch)
    assert variant_rows(shift.variants[0], bound, data).flags.writeable
    assert type(shift.variants[0].severity) is float
    shift, bound, data = loaded(lambda task: [Variant("a", 1, lambda: {}["gone"])], monkeypatch)
    with pytest.raises(RunError, match="shift 'mine': a 1 failed: KeyError"):
        variant_rows(shift.variants[0], bound, data)


def test_what_a_plugin_returns_imports_no_torch():
    probe = "import sys, calibench; calibench.Variant, calibench.ShiftSpec; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


def test_every_registered_shift_describes_itself():
    entries = registry().all("shift")
    assert {entry.spec.name for entry in entries} >= {
        "cifar10-c",
        "cifar100-c",
        "corruptions",
        "rotation",
        "label-shift",
    }
    for entry in entries:
        assert callable(entry.spec.load())
        assert entry.spec.paper
