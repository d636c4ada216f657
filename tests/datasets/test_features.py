"""`features`: stored embeddings in every kind of file and under common names, and errors that name the array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from calibench import InputError, run
from calibench.config.resolve import resolve
from calibench.data.load import load_data
from calibench_datasets.sources.features import features


def draw(n: int = 120, seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    arrays = {}
    for part, rows in (("train", n), ("test", n // 2)):
        labels = np.arange(rows) % 3
        arrays[f"{part}_x"] = (generator.normal(size=(rows, 5)) + 2 * np.eye(3, 5)[labels]).astype(np.float32)
        arrays[f"{part}_y"] = labels
    return arrays


def read(path: Any, head: Any = None, drop: str | None = None, normalise: str = "none", cal: float | None = None):
    return features(str(path), None if head is None else str(head), drop, normalise, cal)


def assert_same(loaded: Any, arrays: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(loaded.x, arrays["train_x"])
    np.testing.assert_array_equal(loaded.y, arrays["train_y"])
    if "test_x" in arrays:
        np.testing.assert_array_equal(loaded.test[0], arrays["test_x"])
        np.testing.assert_array_equal(loaded.test[1], arrays["test_y"])


@pytest.mark.parametrize(
    "names",
    [
        ("train_x", "train_y", "test_x", "test_y"),
        ("train_feat", "train_label", "test_feat", "test_label"),
        ("train.features", "train.targets", "test.features", "test.targets"),
        ("embeddings", "labels", "test_embeddings", "test_labels"),
    ],
)
def test_common_names_are_understood(names: tuple[str, ...], tmp_path: Path) -> None:
    arrays = draw()
    np.savez(tmp_path / "f.npz", **dict(zip(names, arrays.values(), strict=True)))
    loaded = read(tmp_path / "f.npz")
    assert_same(loaded, arrays)
    assert any(repr(names[0]) in note for note in loaded.notes) is (names[0] != "train_x")


def test_every_kind_of_file_gives_the_same_arrays(tmp_path: Path) -> None:
    arrays = draw()
    np.savez(tmp_path / "f.npz", **arrays)
    save_file(arrays, tmp_path / "f.safetensors")
    torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, tmp_path / "f.pt")
    (tmp_path / "folder").mkdir()
    for name, array in arrays.items():
        np.save(tmp_path / "folder" / f"{name}.npy", array)
    for name in ("f.npz", "f.safetensors", "f.pt", "folder"):
        assert_same(read(tmp_path / name), arrays)


def test_bfloat16_is_read_as_float32_of_the_same_value(tmp_path: Path) -> None:
    tensors = {name: torch.from_numpy(array) for name, array in draw().items()}
    tensors |= {name: tensor.bfloat16() for name, tensor in tensors.items() if name.endswith("_x")}
    torch.save(tensors, tmp_path / "f.pt")
    np.testing.assert_array_equal(read(tmp_path / "f.pt").x, tensors["train_x"].float().numpy())


def test_a_parquet_file_with_a_column_of_lists(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    files = pytest.importorskip("pyarrow.parquet")
    arrays = draw()
    for kind in (pa.list_(pa.float32()), pa.list_(pa.float32(), 5), pa.large_list(pa.float64())):
        words = np.array(["dog", "ant", "cow"])[arrays["train_y"]]
        table = {"embedding": pa.array(arrays["train_x"].tolist(), kind), "label": words}
        files.write_table(pa.table(table), tmp_path / "f.parquet")
        loaded = read(tmp_path / "f.parquet")
        np.testing.assert_array_equal(loaded.x, arrays["train_x"])
        np.testing.assert_array_equal(loaded.y, np.array([2, 0, 1])[arrays["train_y"]])
        assert loaded.test is None


def test_a_split_column_divides_a_parquet_file(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    files = pytest.importorskip("pyarrow.parquet")
    arrays = draw()
    rows = {axis: np.concatenate([arrays[f"train_{axis}"], arrays[f"test_{axis}"]]) for axis in "xy"}
    split = ["train"] * 120 + ["test"] * 60
    files.write_table(pa.table({"x": rows["x"].tolist(), "y": rows["y"], "split": split}), tmp_path / "f.parquet")
    assert_same(read(tmp_path / "f.parquet"), arrays)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([[1.0], [1.0, 2.0]], "1 to 2 numbers"),
        ([[1.0], None], "1 cells are missing"),
        ([["a"], ["b"]], "hold string"),
    ],
)
def test_lists_of_a_parquet_file_need_one_length_and_numbers(cells: list[Any], message: str, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    files = pytest.importorskip("pyarrow.parquet")
    files.write_table(pa.table({"x": cells, "y": [0, 1]}), tmp_path / "f.parquet")
    with pytest.raises(InputError, match=message):
        read(tmp_path / "f.parquet")


@pytest.mark.parametrize("kind", ["list", "text", "words"])
def test_no_rows_and_a_text_that_is_no_utf8_are_refused_by_file_and_column(kind: str, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    files = pytest.importorskip("pyarrow.parquet")
    broken = pa.array([b"ab", b"\xff\xfe"])
    column, message = {
        "list": (pa.array([], pa.list_(pa.float32())), "it has no rows"),
        "text": (pa.StringArray.from_buffers(2, broken.buffers()[1], broken.buffers()[2]), "a text is not UTF-8"),
        "words": (pa.array(["a", "b"]).dictionary_encode(), ""),
    }[kind]
    files.write_table(pa.table({"odd": column}), tmp_path / "f.parquet")
    if kind == "words":
        content = (tmp_path / "f.parquet").read_bytes()
        assert content.count(b"\x01\x00\x00\x00a\x01\x00\x00\x00b") == 1
        changed = content.replace(b"\x01\x00\x00\x00a\x01", b"\x01\x00\x00\x00\xff\x01")
        (tmp_path / "f.parquet").write_bytes(changed)
        message = "a text is not UTF-8"
    with pytest.raises(InputError, match=rf"f\.parquet: column 'odd': {message}"):
        read(tmp_path / "f.parquet")


def test_the_last_layer_is_read_from_another_file(tmp_path: Path) -> None:
    arrays = draw()
    np.savez(tmp_path / "f.npz", **arrays)
    weight, bias = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32), np.zeros(3, np.float32)
    save_file(
        {"conv1.weight": np.ones((2, 2), np.float32), "fc.weight": weight, "fc.bias": bias},
        tmp_path / "net.safetensors",
    )
    loaded = read(tmp_path / "f.npz", tmp_path / "net.safetensors")
    np.testing.assert_array_equal(loaded.head_weight, weight)
    record = run("ce", f"features:path={tmp_path}/f.npz,head={tmp_path}/net.safetensors", "frozen", results=None)
    correct = (arrays["test_x"] @ weight.T + bias).argmax(axis=1) == arrays["test_y"]
    assert record.metrics["accuracy"] == pytest.approx(correct.mean())
    save_file({"conv1.weight": weight}, tmp_path / "net.safetensors")
    with pytest.raises(InputError, match="0 arrays could be head_weight"):
        read(tmp_path / "f.npz", tmp_path / "net.safetensors")
    np.savez(tmp_path / "f.npz", **arrays, fc_w=weight, fc_b=bias)
    with pytest.raises(InputError, match="brings a head"):
        read(tmp_path / "f.npz", tmp_path / "net.safetensors")
    with pytest.raises(InputError, match="would change the features that the head was trained on"):
        read(tmp_path / "f.npz", normalise="l2")


def test_normalise_gives_rows_of_norm_one(tmp_path: Path) -> None:
    arrays = draw()
    np.savez(tmp_path / "f.npz", **arrays)
    loaded = read(tmp_path / "f.npz", normalise="l2")
    np.testing.assert_allclose(np.linalg.norm(loaded.test[0], axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(
        loaded.x * np.linalg.norm(arrays["train_x"], axis=1)[:, None], arrays["train_x"], rtol=1e-6
    )
    arrays["test_x"][7] = 0
    np.savez(tmp_path / "f.npz", **arrays)
    with pytest.raises(InputError, match="'test_x': row 7 is zero"):
        read(tmp_path / "f.npz", normalise="l2")


def test_cal_from_test_divides_the_test_rows_and_nothing_else(tmp_path: Path) -> None:
    arrays = draw(300)
    arrays["test_x"][10] = arrays["test_x"][13]  # rows of equal content stay in one split
    arrays["test_y"][10] = arrays["test_y"][13]
    np.savez(tmp_path / "f.npz", **arrays)
    loaded = read(tmp_path / "f.npz", cal=0.4)
    np.testing.assert_array_equal(loaded.x, arrays["train_x"])
    assert np.bincount(loaded.cal[1]).tolist() == pytest.approx([20, 20, 20], abs=1)
    rows = {tuple(row) for row in loaded.cal[0]} | {tuple(row) for row in loaded.test[0]}
    assert rows == {tuple(row) for row in arrays["test_x"]}
    assert not {tuple(row) for row in loaded.cal[0]} & {tuple(row) for row in loaded.test[0]}
    data = load_data(resolve("ce", f"features:path={tmp_path}/f.npz,cal_from_test=0.4"))
    assert len(data.cal) + len(data.test) == 150
    assert len(data.train) + len(data.val) == 300
    assert any("drawn with seed 0" in note for note in data.notes)
    del arrays["test_x"], arrays["test_y"]
    np.savez(tmp_path / "f.npz", **arrays)
    with pytest.raises(InputError, match="no test split"):
        read(tmp_path / "f.npz", cal=0.4)


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        ({"ids": np.arange(120)}, "the array 'ids' has no meaning here", "drop=ids"),
        ({"tset_x": np.zeros((2, 5))}, "the array 'tset_x' has no meaning here", "did you mean 'test_x'"),
        ({"train_feat": np.zeros((120, 5))}, "both are train_x", "drop="),
        ({"train_x": np.zeros((120, 5, 2))}, r"shape \[120, 5, 2\], features are \[N, D\]", "npz:"),
        ({"test_y": None}, "test_x and test_y come together", ""),
        ({"train_x": None, "train_y": None}, "there is no train_x", ""),
    ],
)
def test_arrays_without_a_meaning_are_refused(change: dict[str, Any], message: str, hint: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", **{name: array for name, array in (draw() | change).items() if array is not None})
    with pytest.raises(InputError, match=message) as raised:
        read(tmp_path / "f.npz")
    assert hint in raised.value.hint


def test_dropped_arrays_are_left_out(tmp_path: Path) -> None:
    arrays = draw()
    np.savez(tmp_path / "f.npz", **arrays, ids=np.arange(120), logits=np.zeros((120, 3)))
    assert_same(read(tmp_path / "f.npz", drop="ids; logits"), arrays)
    with pytest.raises(InputError, match="drop=id: there is no such array"):
        read(tmp_path / "f.npz", drop="id")


def test_files_of_another_kind_are_refused(tmp_path: Path, refused) -> None:
    (tmp_path / "empty").mkdir()
    np.save(tmp_path / "x.npy", np.zeros((3, 2)))
    refused("run", "-m", "ce", "-d", "features:path=empty", says="holds no .npy file")
    refused("run", "-m", "ce", "-d", "features:path=x.npy", says="one array alone has no labels", hint="folder")
    refused("run", "-m", "ce", "-d", "features:path=nowhere.npz", says="there is no file")
    (tmp_path / "empty" / "train_x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-1])
    refused("run", "-m", "ce", "-d", "features:path=empty", says="train_x.npy: not a sound .npy file")
    np.save(tmp_path / "empty" / "train_x.npy", np.array([{}], dtype=object), allow_pickle=True)
    refused("run", "-m", "ce", "-d", "features:path=empty", says="could run code")
    (tmp_path / "empty" / "train_x.npy").write_bytes((tmp_path / "x.npy").read_bytes() + b"x")
    refused("run", "-m", "ce", "-d", "features:path=empty", says="more follows after the array")


@pytest.mark.slow
def test_the_shared_cifar10_features_are_the_npz_of_standard_names(tmp_path: Path, shared_file) -> None:
    path = shared_file("cifar10_resnet20_features.npz")
    loaded = features(str(path), None, None, "none", None)
    with np.load(path) as arrays:
        names = {"train_x": "train_feat", "train_y": "train_label", "test_x": "test_feat", "test_y": "test_label"}
        names |= {"head_weight": "fc_w", "head_bias": "fc_b"}
        np.savez(tmp_path / "npz.npz", **{standard: arrays[name] for standard, name in names.items()})
    assert_same(loaded, dict(np.load(tmp_path / "npz.npz")))
    fingerprints = {
        load_data(resolve("ce", dataset, "frozen")).fingerprint
        for dataset in (f"features:path={path}", f"npz:path={tmp_path / 'npz.npz'}")
    }
    assert len(fingerprints) == 1
