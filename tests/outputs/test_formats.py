"""Every format gives the same samples as an `.npz`; its files are written by the library that people write them with."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

import calibench
from calibench.errors import InputError
from calibench.outputs.readers import Columns, read_samples, standard_input

N, NAMES = 60, ("cat", "dog", "fox")
RNG = np.random.default_rng(1)
LOGITS = RNG.normal(size=(N, 3)) * 2
PROBS = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
LABELS = np.arange(N) % 3
WORDS = np.array(NAMES)[LABELS]


def frame():
    pd = pytest.importorskip("pandas")
    return pd.DataFrame({**dict(zip(NAMES, PROBS.T, strict=True)), "label": WORDS})


def same(samples, scores=PROBS, from_probs=True, rtol=0):
    assert samples.outputs.from_probs == from_probs
    np.testing.assert_allclose(samples.outputs.given, scores, rtol=rtol, atol=0)
    np.testing.assert_array_equal(samples.labels, LABELS)
    return samples


TEXT = {
    "plain": lambda f, p: f.to_csv(p / "a.csv", index=False),
    "index": lambda f, p: f.to_csv(p / "a.csv"),
    "shuffled index": lambda f, p: f.set_index(np.random.default_rng(0).permutation(N)).to_csv(p / "a.csv"),
    "semicolons": lambda f, p: f.to_csv(p / "a.csv", sep=";", index=False),
    "decimal commas": lambda f, p: f.to_csv(p / "a.csv", sep=";", decimal=",", index=False),
    "tabs": lambda f, p: f.to_csv(p / "a.csv", sep="\t", index=False),
    "tsv": lambda f, p: f.to_csv(p / "a.tsv", sep="\t", index=False),
    "bars": lambda f, p: f.to_csv(p / "a.csv", sep="|", index=False),
    "byte order mark": lambda f, p: f.to_csv(p / "a.csv", index=False, encoding="utf-8-sig"),
    "gzip": lambda f, p: f.to_csv(p / "a.csv.gz", index=False),
    "gzip of tabs": lambda f, p: f.to_csv(p / "a.tsv.gz", sep="\t", index=False),
    "json": lambda f, p: f.to_json(p / "a.json", double_precision=15),
    "records": lambda f, p: f.to_json(p / "a.json", orient="records", double_precision=15),
    "lines": lambda f, p: f.to_json(p / "a.jsonl", orient="records", lines=True, double_precision=15),
}


@pytest.mark.parametrize("way", TEXT)
def test_tables_of_text_that_pandas_writes(way, tmp_path):
    TEXT[way](frame(), tmp_path)
    (file,) = tmp_path.iterdir()
    samples = same(read_samples(file), rtol=1e-11 if "json" in file.suffix else 0)
    assert samples.class_names == NAMES
    assert ("it counts the rows" in " ".join(samples.notes)) == ("index" in way)


def test_percent_signs(tmp_path):
    lines = [
        "cat,dog,fox,label",
        *(",".join([*(f"{100 * p:.4f}%" for p in row), word]) for row, word in zip(PROBS, WORDS, strict=True)),
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    samples = read_samples(tmp_path / "a.csv")
    np.testing.assert_allclose(samples.outputs.given, PROBS, atol=1e-6)
    assert "the column 'cat' is in percent" in samples.notes


@pytest.mark.parametrize("suffix", ["parquet", "feather", "arrow"])
@pytest.mark.parametrize("lists", [False, True])
def test_arrow_tables(suffix, lists, tmp_path):
    pytest.importorskip("pyarrow")
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"probs": list(PROBS), "label": LABELS}) if lists else frame()
    path = tmp_path / f"a.{suffix}"
    (table.to_parquet if suffix == "parquet" else table.to_feather)(path)
    same(read_samples(path))


def test_lists_of_different_length(tmp_path):
    pytest.importorskip("pyarrow")
    pd = pytest.importorskip("pandas")
    rows = [row[: 2 + k % 2] for k, row in enumerate(LOGITS)]
    pd.DataFrame({"logits": rows, "label": np.zeros(N, dtype=int) + np.arange(N) % 2}).to_parquet(
        tmp_path / "a.parquet"
    )
    probs = calibench.read_samples(tmp_path / "a.parquet").outputs.probs().numpy()
    assert (probs[::2, 2] == 0).all()
    np.testing.assert_allclose(probs[1, :], PROBS[1], rtol=1e-12)


def test_torch_files(tmp_path):
    import torch

    z, y = torch.from_numpy(LOGITS), torch.from_numpy(LABELS)
    torch.save({"logits": z, "labels": y, "net": "resnet", "epoch": 3}, tmp_path / "a.pt")
    samples = same(read_samples(tmp_path / "a.pt"), LOGITS, False)
    assert samples.unused == ("net", "epoch")
    torch.save((z, y), tmp_path / "pair.pth")
    same(read_samples(tmp_path / "pair.pth", Columns(logits="scores")), LOGITS, False)
    torch.save({"probs": z.softmax(1).bfloat16(), "labels": y}, tmp_path / "b.pt")
    bits = z.softmax(1).bfloat16().double().numpy()
    given = read_samples(tmp_path / "b.pt").outputs.given
    np.testing.assert_allclose(given, bits / bits.sum(axis=1, keepdims=True), atol=1e-3)
    torch.save(z, tmp_path / "test_logits.pt")
    np.save(tmp_path / "y.npy", LABELS)
    same(read_samples(tmp_path / "test_logits.pt", Columns(label=str(tmp_path / "y.npy"))), LOGITS, False)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_a_torch_file_with_a_pickle_is_refused_and_not_run(tmp_path):
    import torch

    torch.save({"logits": torch.zeros(2, 2), "trap": Trap(str(tmp_path / "trapped"))}, tmp_path / "a.pt")
    (tmp_path / "old.pt").write_bytes(pickle.dumps(Trap(str(tmp_path / "trapped"))))
    (tmp_path / "text.pt").write_text("hello")
    (tmp_path / "empty.pt").write_bytes(b"")
    torch.save([1, 2, 3], tmp_path / "list.pt")
    for name, says in (
        ("a", "pickle"),
        ("old", "old.pt"),
        ("text", "text.pt"),
        ("empty", "not a sound torch file"),
        ("list", "no tensors by name"),
    ):
        with pytest.raises(InputError, match=says):
            read_samples(tmp_path / f"{name}.pt")
    assert not (tmp_path / "trapped").exists()


def test_safetensors(tmp_path):
    import torch
    from safetensors.numpy import save_file
    from safetensors.torch import save_file as save_tensors

    save_file({"logits": LOGITS, "labels": LABELS}, tmp_path / "a.safetensors")
    same(read_samples(tmp_path / "a.safetensors"), LOGITS, False)
    z = torch.from_numpy(LOGITS).bfloat16()
    save_tensors({"logits": z, "labels": torch.from_numpy(LABELS)}, tmp_path / "b.safetensors")
    np.testing.assert_array_equal(read_samples(tmp_path / "b.safetensors").outputs.given, z.float().numpy())


def test_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["probs"], file["labels"] = PROBS, [word.encode() for word in WORDS]
    same(read_samples(tmp_path / "a.h5"))
    with h5py.File(tmp_path / "arena.h5", "w") as file:
        for name in ("adult/rf", "adult/xgb"):
            part = file.create_group(name)
            part["probas_test"], part["labels_test"] = PROBS, LABELS
            part["probas_cal"], part["labels_cal"] = PROBS[::-1], LABELS[::-1]
    with pytest.raises(InputError, match="holds 2 groups: adult/rf, adult/xgb") as error:
        read_samples(tmp_path / "arena.h5")
    assert "--format h5:group=adult/rf" in error.value.hint
    same(read_samples(tmp_path / "arena.h5", Columns(format="h5:group=adult/rf")))
    to_fit = read_samples(tmp_path / "arena.h5", Columns(format="h5:group=adult/rf", to_fit=True))
    np.testing.assert_array_equal(to_fit.outputs.given, PROBS[::-1])
    with pytest.raises(InputError, match="there is no group 'adult/rt'"):
        read_samples(tmp_path / "arena.h5", Columns(format="h5:group=adult/rt"))
    (tmp_path / "cut.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:900])
    with pytest.raises(InputError, match=r"cannot read .*cut.h5"):
        read_samples(tmp_path / "cut.h5")
    with h5py.File(tmp_path / "out.h5", "w") as file:
        file.create_dataset(
            "probs", (N, 3), dtype="f8", external=[(str(tmp_path / "elsewhere"), 0, h5py.h5f.UNLIMITED)]
        )
        file["labels"] = LABELS
    with pytest.raises(InputError, match="lie in another file"):
        read_samples(tmp_path / "out.h5")


def test_hdf5_without_h5py(tmp_path, monkeypatch):
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match="needs h5py") as error:
        read_samples(tmp_path / "a.h5")
    assert error.value.hint == 'pip install "calibench[h5]"'


JSON = {
    "arrays": {"probs": PROBS.tolist(), "labels": LABELS.tolist()},
    "words": {"probs": PROBS.tolist(), "labels": WORDS.tolist(), "class_names": list(NAMES)},
    "rows": [{"probs": p.tolist(), "label": w} for p, w in zip(PROBS, WORDS, strict=True)],
    "by class": [
        {"probs": dict(zip(NAMES, p.tolist(), strict=True)), "label": w} for p, w in zip(PROBS, WORDS, strict=True)
    ],
    "another order": [
        {"probs": dict(zip(NAMES[::-1], p.tolist()[::-1], strict=True)), "label": w}
        for p, w in zip(PROBS, WORDS, strict=True)
    ],
}


@pytest.mark.parametrize("way", JSON)
@pytest.mark.parametrize("lines", [False, True])
def test_json(way, lines, tmp_path):
    document = JSON[way]
    path = tmp_path / ("a.jsonl" if lines else "a.json")
    rows = document if isinstance(document, list) else None
    path.write_text("\n".join(map(json.dumps, rows)) if lines and rows else json.dumps(document))
    samples = read_samples(path)
    scores = PROBS[:, ::-1] if way == "another order" else PROBS
    np.testing.assert_array_equal(samples.outputs.given, scores)
    np.testing.assert_array_equal(samples.labels, 2 - LABELS if way == "another order" else LABELS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        ("{", "no sound JSON"),
        ('{"a": 1}\n{"a": \n', "line 2: no sound JSON"),
        ("[1, 2]", "no list of objects"),
        ("[" * 100_000, "no sound JSON"),
        (
            '[{"probs": {"a": 1, "b": 0}, "label": "a"}, {"probs": {"a": 1}, "label": "a"}]',
            "row 1: probs has the classes a, the first row a, b",
        ),
        ('{"probs": [[0.5, 0.5], [0.1, NaN]], "labels": [0, 1]}', "NaN or infinite"),
    ],
)
def test_json_that_cannot_be_judged(text, says, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=says):
        read_samples(tmp_path / "a.json")


def test_scikit_learns_probabilities(tmp_path):
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    pd = pytest.importorskip("pandas")
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])
    model = LogisticRegression(max_iter=200).fit(x, names[y])
    table = pd.DataFrame(model.predict_proba(x), columns=model.classes_).assign(
        truth=names[y], predicted=model.predict(x)
    )
    table.to_csv(tmp_path / "a.csv")
    samples = read_samples(tmp_path / "a.csv")
    assert samples.class_names == tuple(names)
    np.testing.assert_array_equal(samples.labels, y)
    assert (samples.outputs.given.argmax(axis=1) == y).mean() == pytest.approx(model.score(x, names[y]))
    table = pd.DataFrame(model.predict_proba(x), columns=model.classes_).assign(label=names[y])
    table[["virginica", "label"]].query("label != 'setosa'").to_csv(tmp_path / "one.csv", index=False)
    assert read_samples(tmp_path / "one.csv").class_names == ("versicolor", "virginica")


def test_a_file_without_an_ending_and_standard_input(tmp_path, monkeypatch):
    buffer = io.BytesIO()
    np.savez(buffer, probs=PROBS, labels=LABELS)
    table = io.StringIO()
    frame().to_csv(table)
    contents = {
        "npz": buffer.getvalue(),
        "csv": table.getvalue().encode(),
        "gz": gzip.compress(table.getvalue().encode()),
        "jsonl": "\n".join(map(json.dumps, JSON["rows"])).encode(),
        "json": json.dumps(JSON["arrays"]).encode(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        same(read_samples(tmp_path / name))
        standard_input._copied.cache_clear()
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        same(read_samples("-"))
    standard_input._copied.cache_clear()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO()))
    with pytest.raises(InputError, match="standard input is empty"):
        read_samples("-")
    standard_input._copied.cache_clear()


def test_text_that_grows_beyond_memory_is_refused(tmp_path, monkeypatch):
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"a,b,label\n" + b".5,.5,0\n" * 200_000))
    monkeypatch.setenv("CALIBENCH_MAX_MEMORY", "300kB")
    with pytest.raises(
        InputError, match=r"bomb.csv.gz: its first 10 kB of text take 300 kB of memory, which is the limit"
    ):
        read_samples(tmp_path / "bomb.csv.gz")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"a,b,label\n.5,.5,0\n")[:-9])
    with pytest.raises(InputError, match=r"cannot read .*cut.csv.gz"):
        read_samples(tmp_path / "cut.csv.gz")


def test_a_torch_file_that_grows_beyond_memory_is_refused(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "a.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"0" * 1_000_000)
    monkeypatch.setenv("CALIBENCH_MAX_MEMORY", "1MB")
    with pytest.raises(InputError, match=r"a\.pt: its content takes 2 MB of memory, and 1 MB may be taken"):
        read_samples(tmp_path / "a.pt")


def test_labels_in_another_file(tmp_path):
    np.save(tmp_path / "test_probs.npy", PROBS)
    np.save(tmp_path / "y.npy", LABELS)
    (tmp_path / "y.csv").write_text("id,label\n" + "\n".join(f"{k},{y}" for k, y in enumerate(LABELS)))
    (tmp_path / "only.csv").write_text("answer\n" + "\n".join(map(str, LABELS)))
    for name in ("y.npy", "y.csv", "only.csv"):
        same(read_samples(tmp_path / "test_probs.npy", Columns(label=str(tmp_path / name))))
    np.savez(tmp_path / "p.npz", probs=PROBS)
    same(read_samples(tmp_path / "p.npz", Columns(label=str(tmp_path / "y.csv"))))
    with pytest.raises(InputError, match="there is no file"):
        read_samples(tmp_path / "p.npz", Columns(label=str(tmp_path / "z.csv")))


def test_a_readers_name_that_is_not_known(tmp_path):
    np.savez(tmp_path / "a.npz", probs=PROBS, labels=LABELS)
    with pytest.raises(InputError, match="there is no reader 'npx'") as error:
        read_samples(tmp_path / "a.npz", Columns(format="npx"))
    assert "did you mean 'npz'?" in error.value.hint
    with pytest.raises(InputError, match="has no parameter 'group'"):
        read_samples(tmp_path / "a.npz", Columns(format="npz:group=a"))
