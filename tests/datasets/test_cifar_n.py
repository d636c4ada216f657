"""`cifar10n` and `cifar100n`: people's labels, from files as torch.save writes them and from the shared copy."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from published_files import data_folder

from calibench import InputError
from calibench.config.resolve import resolve
from calibench.data.load import load_data
from calibench_datasets.noise.cifar_n import cifar10n, cifar100n

WRONG = {"aggre": 0.0901, "random1": 0.1723, "random2": 0.1812, "random3": 0.1764, "worse": 0.4021}
N = 400
SETS = tuple(WRONG)


def labels(dtype: Any = np.int64) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {"clean_label": np.arange(N) % 10}
    for name in ("aggre_label", "worse_label", "random_label1", "random_label2", "random_label3"):
        arrays[name] = (arrays["clean_label"] + rng.integers(0, 4, N)) % 10
    return {name: array.astype(dtype) for name, array in arrays.items()}


def read(path: Path | None, name: str = "worse", ids: np.ndarray | None = None, clean: np.ndarray | None = None):
    ids = np.arange(N) if ids is None else ids
    clean = ids % 10 if clean is None else clean
    return cifar10n(clean, 10, np.random.default_rng(0), ids, name, None if path is None else str(path))


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, ">i4"])
@pytest.mark.parametrize("is_zip", [True, False])
def test_new_and_old_files_of_torch_save_are_read(is_zip: bool, dtype: Any, tmp_path: Path) -> None:
    path = tmp_path / "CIFAR-10_human.pt"
    torch.save(labels(dtype), path, _use_new_zipfile_serialization=is_zip)
    ids = np.array([7, 399, 0, 12])
    for name in SETS:
        key = f"random_label{name[-1]}" if name.startswith("random") else f"{name}_label"
        noisy = read(path, name, ids)
        np.testing.assert_array_equal(noisy, labels()[key][ids])
        assert noisy.dtype == np.int64


def test_only_the_five_sets_exist() -> None:
    with pytest.raises(InputError, match="set=best"):
        resolve("ce", noise="cifar10n:set=best")
    with pytest.raises(InputError, match="needs set"):
        resolve("ce", noise="cifar10n")


def test_the_data_folder_is_searched_and_a_missing_file_is_named(tmp_path: Path) -> None:
    with data_folder(tmp_path, download=True):
        with pytest.raises(InputError, match=r"there is no CIFAR-10_human\.pt in .*cifar10n") as raised:
            read(None)
        for word in ("UCSC-REAL/cifar-10-100n", "path=FILE", "CALIBENCH_DATA"):
            assert word in raised.value.hint
        np.savez(tmp_path / "CIFAR-10_human.npz", **labels())
        np.testing.assert_array_equal(read(None), labels()["worse_label"])
        other_labels = labels() | {"worse_label": labels()["aggre_label"]}
        (tmp_path / "cifar10n").mkdir()
        torch.save(other_labels, tmp_path / "cifar10n" / "CIFAR-10_human.pt")
        np.testing.assert_array_equal(read(None), labels()["aggre_label"])


def test_labels_for_other_images_or_in_another_order_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "l.npz"
    np.savez(path, **labels())
    clean = np.arange(N) % 10
    clean[[5, 9]] = 0
    message = "2 of 400 training rows have another clean label in the file; the first is row 5"
    with pytest.raises(InputError, match=message) as raised:
        read(path, clean=clean)
    assert "cifar10 in the order" in raised.value.hint
    with pytest.raises(InputError, match="400 labels up to 9, the data 10 classes"):
        read(path, ids=np.array([400]))
    with pytest.raises(InputError, match="the data 5 classes"):
        cifar10n(np.arange(5), 5, np.random.default_rng(0), np.arange(5), "worse", str(path))
    with pytest.raises(InputError, match="no array 'noisy_label'"):
        cifar100n(np.arange(9), 100, np.random.default_rng(0), np.arange(9), str(path))


class RunsCode:
    def __reduce__(self) -> Any:
        return exec, ("open('ran', 'w')",)


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (labels() | {"worse_label": RunsCode()}, "could run code"),
        ({name: torch.from_numpy(array) for name, array in labels().items()}, "not a pickle of plain data"),
        (labels() | {"worse_label": labels()["worse_label"].astype(float)}, "does not hold whole numbers"),
        ({"clean_label": labels()["clean_label"]}, "no array 'worse_label'"),
        (labels() | {"worse_label": [0] * N}, "no array 'worse_label'"),
        ([1, 2], "not a dictionary"),
    ],
)
def test_files_of_another_form_are_refused(
    content: Any, message: str, is_zip: bool, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.pt"
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(InputError, match=message):
        read(path)
    assert [p.name for p in tmp_path.iterdir()] == ["x.pt"]


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_truncated_file_is_refused(is_zip: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save(labels(), path, _use_new_zipfile_serialization=is_zip)
    content = path.read_bytes()
    for size in (0, 10, 100, len(content) // 2):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match=r"x\.pt"):
            read(path)
    with pytest.raises(InputError, match="there is no file"):
        read(tmp_path / "y.pt")


def test_a_plain_pickle_of_the_same_arrays_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(pickle.dumps(labels(), protocol=2))
    np.testing.assert_array_equal(read(path), labels()["worse_label"])


def test_val_cal_and_test_stay_clean(tmp_path: Path) -> None:
    x = np.arange(N, dtype=np.float32)[:, None]
    np.savez(tmp_path / "d.npz", train_x=x, train_y=np.arange(N) % 10)
    np.savez(tmp_path / "l.npz", **{f"c10_{name}": array for name, array in labels().items()})
    noise = f"cifar10n:set=random2,path={tmp_path / 'l.npz'}"
    data = load_data(resolve("ce", f"npz:path={tmp_path / 'd.npz'}", noise=noise))
    np.testing.assert_array_equal(data.train.y, labels()["random_label2"][data.train.ids])
    for split in (data.val, data.cal, data.test):
        np.testing.assert_array_equal(split.y, split.ids % 10)
    assert data.noise is not None
    assert data.noise["licence"] == "CC BY-NC 4.0"
    assert "CIFAR-10_human.pt" in data.noise["source"]


@pytest.mark.parametrize("name", SETS)
def test_the_published_shares_of_wrong_labels(name: str, shared_file) -> None:
    path = shared_file("cifar_n_human_labels.npz")
    with np.load(path) as arrays:
        clean = arrays["c10_clean_label"].astype(np.int64)
    noisy = cifar10n(clean, 10, np.random.default_rng(0), np.arange(50_000), name, str(path))
    assert round(float((noisy != clean).mean()), 4) == pytest.approx(WRONG[name], abs=5e-5)


def test_the_published_share_of_cifar100n(shared_file) -> None:
    path = shared_file("cifar_n_human_labels.npz")
    with np.load(path) as arrays:
        clean = arrays["c100_clean_label"].astype(np.int64)
    noisy = cifar100n(clean, 100, np.random.default_rng(0), np.arange(50_000), str(path))
    assert (noisy != clean).mean() == pytest.approx(0.402, abs=5e-4)
