"""`run(dataset=...)` with arrays, tensors and torch Datasets: every form means the same, and mistakes are named."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from calibench import Arrays, InputError, run
from calibench.data.in_memory import as_dataset

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def splits(samples):
    return {
        name: samples(n, 3, seed)
        for seed, (name, n) in enumerate((("train", 120), ("val", 40), ("cal", 40), ("test", 60)))
    }


class Rows(Dataset):
    """Map-style, with labels as Python integers."""

    def __init__(self, x, y, change=lambda x: x):
        self.x, self.y, self.change = x, y, change

    def __len__(self):
        return len(self.y)

    def __getitem__(self, number):
        return self.change(torch.from_numpy(self.x[number])), int(self.y[number])


def tensors(pair):
    return tuple(map(torch.from_numpy, pair))


FORMS = {
    "pairs": lambda s: tuple(s.values()),
    "lists": lambda s: [[x.tolist(), y.tolist()] for x, y in s.values()],
    "tensors": lambda s: tuple(tensors(pair) for pair in s.values()),
    "gradients": lambda s: tuple((tensors(p)[0].requires_grad_(), tensors(p)[1]) for p in s.values()),
    "TensorDatasets": lambda s: tuple(TensorDataset(*tensors(pair)) for pair in s.values()),
    "Datasets": lambda s: tuple(Rows(*pair) for pair in s.values()),
    "a mapping": lambda s: {name: s[name] for name in ("test", "cal", "train", "val")},
    "Subsets": lambda s: {name: Subset(TensorDataset(*tensors(p)), range(len(p[1]))) for name, p in s.items()},
    "mixed": lambda s: (s["train"], Rows(*s["val"]), tensors(s["cal"]), TensorDataset(*tensors(s["test"]))),
    "Arrays": lambda s: Arrays(*s["train"], val=s["val"], cal=s["cal"], test=s["test"]),
    "Arrays of tensors": lambda s: Arrays(*tensors(s["train"]), val=tensors(s["val"]), cal=s["cal"], test=s["test"]),
}


@pytest.fixture(scope="module")
def reference(splits):
    return run("ce:epochs=1", tuple(splits.values()), results=None)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_every_form_means_the_same(form, splits, reference):
    record = run("ce:epochs=1", FORMS[form](splits), results=None)
    assert record.n == {"train": 120, "val": 40, "cal": 40, "test": 60}
    assert record.data["fingerprint"] == reference.data["fingerprint"]
    assert record.metrics == reference.metrics
    assert record.run_id == reference.run_id
    assert record.dataset == f"arrays:sha256={reference.data['clean_fingerprint'][:12]}"


def test_missing_splits_are_held_out(splits):
    pair = splits["train"]
    record = run("ce:epochs=1", pair, results=None)
    assert sum(record.n.values()) == 120
    assert record.n["test"] == 30
    two_splits = run("ce:epochs=1", {"train": pair, "test": splits["test"]}, settings=["arrays.cal=0.2"], results=None)
    assert two_splits.n == {"train": 84, "val": 12, "cal": 24, "test": 60}
    with pytest.raises(InputError, match=r"test=0\.5 would do nothing"):
        run("ce", {"train": pair, "test": splits["test"]}, settings=["arrays.test=0.5"], results=None)


@pytest.mark.slow
def test_one_dataset_bytes_and_bfloat16(splits):
    x, y = splits["train"]
    record = run("ce:epochs=1", Rows(x, y), results=None)
    assert record.n == run("ce:epochs=1", (x, y), results=None).n
    run("ce:epochs=1", (torch.from_numpy(x).to(torch.bfloat16), y), results=None)
    run("ce:epochs=1", ((x * 10 + 128).clip(0, 255).astype(np.uint8), y.astype(np.uint8)), results=None)


@pytest.mark.slow
def test_data_in_memory_with_a_module_a_named_model_and_noise(splits):
    data = tuple(splits.values())
    assert run("ce", data, nn.Linear(3, 3), results=None).model.startswith("module:class=Linear")
    assert run("ce:epochs=1", data, "mlp:hidden=4", results=None).model == "mlp:hidden=4"
    noisy = run("ce:epochs=1", data, noise="symmetric:rate=0.5", results=None)
    assert noisy.data["noise"]["realised_rate"] > 0.3
    clean = run("ce:epochs=1", data, results=None)
    assert noisy.dataset == clean.dataset, "noise is not part of the data's name"


def test_the_callers_arrays_stay_unchanged(splits):
    data = {name: (x.copy(), y.copy()) for name, (x, y) in splits.items()}
    run("ce:epochs=1", data, noise="symmetric:rate=0.5", results=None)
    for name, (x, y) in data.items():
        np.testing.assert_array_equal(x, splits[name][0])
        np.testing.assert_array_equal(y, splits[name][1])


def test_arrays_keep_everything_that_a_dataset_can_state(splits):
    pairs = {name: splits[name] for name in ("val", "cal", "test")}
    fields = {"notes": ("a note",), "repeats": "drop", "test_soft": np.full((60, 3), 1 / 3)}
    head = {"head_weight": np.eye(3, dtype=np.float32), "head_bias": np.zeros(3, dtype=np.float32)}
    spec = as_dataset(Arrays(*splits["train"], **pairs, **fields, **head))
    for name, value in (fields | head).items():
        assert getattr(spec.arrays, name) is value


def test_soft_labels_in_memory_are_judged(splits):
    pairs = {name: splits[name] for name in ("val", "cal", "test")}
    soft = np.full((60, 3), 1 / 3)
    record = run("ce:epochs=1", Arrays(*splits["train"], **pairs, test_soft=soft), results=None)
    assert record.metrics["soft_nll"] >= np.log(3)


class Endless(IterableDataset):
    def __iter__(self):
        return iter(())


class Unreadable(Rows):
    def __getitem__(self, number):
        raise RuntimeError("no file")


class RowsAsDicts(Rows):
    def __getitem__(self, number):
        return {"x": self.x[number], "y": self.y[number]}


class RowsOfManyShapes(Rows):
    def __getitem__(self, number):
        return self.x[number][: 1 + number % 3], self.y[number]


def pil_image(x):
    return type("Image", (), {"getpixel": None})()


MISTAKES = {
    "an array": (lambda s: s["train"][0], "rows and no labels", "Arrays"),
    "three": (lambda s: tuple(s.values())[:3], "has 3 parts, and could mean several things", "mapping"),
    "two pairs": (lambda s: (s["train"], s["test"]), "has 2 parts, and could mean several things", "'test'"),
    "a number": (lambda s: 3, "it is a int", "Arrays"),
    "a split": (lambda s: {"train": s["train"], "tset": s["test"]}, "no split 'tset'", "did you mean 'test'?"),
    "no train": (lambda s: {"test": s["test"]}, "no split 'train'", "held out"),
    "a loader": (lambda s: DataLoader(Rows(*s["train"])), "a DataLoader", "loader.dataset"),
    "a loader within": (
        lambda s: {"train": DataLoader(Rows(*s["train"]))},
        "train: it is a DataLoader",
        "loader.dataset",
    ),
    "endless": (lambda s: {"train": Endless()}, "an IterableDataset", "map-style"),
    "one tensor": (lambda s: TensorDataset(tensors(s["train"])[0]), "holds 1 tensors", "TensorDataset(x, y)"),
    "broken": (lambda s: Unreadable(*s["train"]), "reading it failed: RuntimeError: no file", "correct"),
    "dicts": (lambda s: RowsAsDicts(*s["train"]), "row 0 is a dict, not (x, y)", "__getitem__"),
    "ragged": (lambda s: RowsOfManyShapes(*s["train"]), "rows of x differ in shape: (1,), (2,)", "one shape"),
    "PIL images": (lambda s: Rows(*s["train"], change=pil_image), "row 0 is a PIL image", "ToTensor"),
    "augmented": (
        lambda s: Rows(*s["train"], change=lambda x: x + torch.rand(1)),
        "row 0 is not the same when it is read again",
        "random transforms",
    ),
    "empty": (lambda s: Rows(*(part[:0] for part in s["train"])), "train: it is empty", "at least one row"),
    "sparse": (lambda s: (tensors(s["train"])[0].to_sparse(), s["train"][1]), "sparse", "to_dense"),
    "ragged lists": (lambda s: ([[1, 2], [3]], [0, 1]), "it makes no array", "one shape"),
    "words": (lambda s: (s["train"][0].astype(str), s["train"][1]), "x has type", "numbers"),
    "fractions": (lambda s: (s["train"][0], s["train"][1] + 0.5), "y has type float64", "class indices"),
    "a leak": (lambda s: {"train": s["train"], "test": s["train"]}, "rows of test are also in train", "drop"),
    "a gap": (lambda s: (s["train"][0], s["train"][1] * 2), "no row has the label 1", "without gaps"),
    "rows": (lambda s: (s["train"][0][:-1], s["train"][1]), "x has 119 rows and y has shape", "one class"),
    "shapes": (
        lambda s: {"train": s["train"], "test": (s["test"][0][:, :2], s["test"][1])},
        "differ in shape",
        "one shape",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named_before_anything_is_written(mistake, splits, tmp_path):
    make, message, hint = MISTAKES[mistake]
    with pytest.raises(InputError) as raised:
        run("ce:epochs=1", make(splits), results=tmp_path / "r")
    assert message in raised.value.message
    assert hint in raised.value.hint
    assert not (tmp_path / "r").exists()


def test_a_name_stays_a_name():
    assert as_dataset(None) is None
    assert as_dataset("digits") == "digits"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": []}, "method is an empty list"),
        ({"method": "ce", "seed": ()}, "seed is an empty tuple"),
        ({"method": 3}, "method 3 is not a text"),
        ({"seed": "0"}, "seed '0' is not a whole number"),
        ({"seed": 1.0}, "seed 1.0 is not a whole number"),
        ({"seed": -1}, "seed -1 is not a whole number from 0 up"),
        ({"settings": [3]}, "settings 3 is not a text"),
    ],
)
def test_arguments_of_the_wrong_type_are_refused(arguments, message):
    with pytest.raises(InputError) as raised:
        run(**arguments, results=None)
    assert message in raised.value.message
    assert raised.value.hint


def test_a_single_setting_and_a_seed_of_numpy(splits):
    data = tuple(splits.values())
    record = run("ce", data, seed=np.int64(3), settings="ce.epochs=1", results=None)
    assert record.seed == 3
    assert record.recipe == "ce:epochs=1"
