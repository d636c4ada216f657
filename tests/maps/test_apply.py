"""Maps on files: formats, labels that are missing, classes in another order, one pass, several labels."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from map_cases import make, softmax

import calibench
from calibench.errors import InputError
from calibench.outputs.readers import Columns, read_samples

NAMES = ("cat", "dog", "bird", "fish")


@pytest.fixture
def fitted() -> calibench.CalibrationMap:
    return calibench.fit_map(*make(700, 0), method="temperature+conformal:method=aps")


def table(path: Path, names: tuple[str, ...], columns: np.ndarray, labels: np.ndarray | None) -> Path:
    """A CSV of probabilities under the names of classes, with the names of the labels."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, *([] if labels is None else ["label"])])
        for row, values in enumerate(columns.tolist()):
            writer.writerow([*values, *([] if labels is None else [labels[row]])])
    return path


def test_every_format_holds_the_same(fitted: calibench.CalibrationMap, tmp_path: Path) -> None:
    from pyarrow import parquet

    logits, labels = make(500, 1)
    np.savez(tmp_path / "new.npz", logits=logits, labels=labels, weight=np.arange(500.0))
    for name in ("out.npz", "out.csv", "out.parquet"):
        applied = calibench.apply_map(fitted, tmp_path / "new.npz", tmp_path / name)
    decided, want = fitted.decide(logits), fitted.probs(logits)
    assert decided.sets is not None
    assert applied.rows == 500
    assert applied.abstained == int(decided.abstained.sum()) > 0
    with np.load(tmp_path / "out.npz") as stored:
        assert set(stored.files) == {"probs", "labels", "decisions", "sets", "weight"}
        assert np.abs(stored["probs"] - want).max() <= 1e-12
        assert np.array_equal(stored["decisions"], decided.answers)
        assert np.array_equal(stored["sets"], decided.sets)
        assert np.array_equal(stored["weight"], np.arange(500.0))
        probs = stored["probs"]
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    words = ["abstain" if answer == -1 else str(answer) for answer in decided.answers.tolist()]
    as_table = parquet.read_table(tmp_path / "out.parquet").to_pydict()
    assert list(rows[0]) == list(as_table)
    for place in range(4):
        assert [float(row[f"prob_{place}"]) for row in rows] == probs[:, place].tolist()
        assert as_table[f"prob_{place}"] == probs[:, place].tolist()
        assert [row[f"in_set_{place}"] == "1" for row in rows] == decided.sets[:, place].tolist()
    assert [row["decision"] for row in rows] == words == as_table["decision"]
    assert [int(row["label"]) for row in rows] == labels.tolist() == as_table["label"]
    judged = read_samples(tmp_path / "out.csv", Columns(probs="prob_*"))
    assert np.array_equal(judged.outputs.array, probs)


@pytest.mark.slow
def test_without_torch_numpy_maps_a_file(tmp_path: Path) -> None:
    """Production applies a map where nobody trains. A rule, and a map without a formula, still name torch."""
    np.savez(tmp_path / "new.npz", logits=make(500, 1)[0])
    for name, method in (("map", "temperature"), ("rule", "temperature+threshold:value=0.8")):
        calibench.fit_map(*make(700, 0), method=method).save(tmp_path / f"{name}.json")
    probe = (
        "import importlib.machinery, sys\n"
        "find = importlib.machinery.PathFinder.find_spec\n"
        "hide = lambda name, *rest: None if name == 'torch' else find(name, *rest)\n"
        "importlib.machinery.PathFinder.find_spec = hide\n"
        "from calibench.cli import main\n"
        "main()"
    )
    for name, code in (("map", 0), ("rule", 2)):
        command = [sys.executable, "-c", probe, "apply", f"{name}.json", "new.npz", "-o", f"{name}.npz"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert ended.returncode == code, ended.stderr
        assert ("--index-url" in ended.stderr) == (code == 2)
    calibench.apply_map(calibench.load_map(tmp_path / "map.json"), tmp_path / "new.npz", tmp_path / "by_torch.npz")
    with np.load(tmp_path / "map.npz") as by_numpy, np.load(tmp_path / "by_torch.npz") as by_torch:
        assert np.abs(by_numpy["probs"] - by_torch["probs"]).max() <= 1e-12


def test_labels_may_be_missing(fitted: calibench.CalibrationMap, tmp_path: Path) -> None:
    logits, _ = make(500, 1)
    np.savez(tmp_path / "new.npz", logits=logits)
    calibench.apply_map(fitted, tmp_path / "new.npz", tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as stored:
        assert "labels" not in stored.files
        assert np.abs(stored["probs"] - fitted.probs(logits)).max() <= 1e-12


def test_columns_that_are_no_scores_are_written_again(fitted: calibench.CalibrationMap, tmp_path: Path) -> None:
    """The row numbers too, by which somebody joins the file with another one."""
    logits = make(20, 0)[0].tolist()
    lines = [",".join(map(repr, [100 + row, *values])) + f",site-{row % 2}" for row, values in enumerate(logits)]
    (tmp_path / "new.csv").write_text("\n".join(["id,logit_0,logit_1,logit_2,logit_3,site", *lines]) + "\n")
    calibench.apply_map(fitted, tmp_path / "new.csv", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["site"]) for row in rows] == [(f"{100 + n}", f"site-{n % 2}") for n in range(20)]


def test_classes_keep_the_order_of_the_file(tmp_path: Path) -> None:
    logits, labels = make(700, 0)
    fitted = calibench.fit_map(
        probs=softmax(logits), labels=labels, method="vector+threshold:value=0.6", class_names=NAMES
    )
    test, truth = make(500, 1)
    order = [3, 1, 0, 2]
    words = [NAMES[label] for label in truth]
    straight = table(tmp_path / "a.csv", NAMES, softmax(test), words)
    moved = table(tmp_path / "b.csv", tuple(NAMES[k] for k in order), softmax(test)[:, order], words)
    first = calibench.apply_map(fitted, straight, tmp_path / "a.npz")
    second = calibench.apply_map(fitted, moved, tmp_path / "b.npz")
    assert (first.notes, second.notes) == ([], [f"{moved} has the classes in another order: matched by name"])
    assert first.abstained == second.abstained
    with np.load(tmp_path / "a.npz") as a, np.load(tmp_path / "b.npz") as b:
        assert b["class_names"].tolist() == [NAMES[k] for k in order]
        assert np.abs(a["probs"][:, order] - b["probs"]).max() <= 1e-15
        for name in ("labels", "decisions"):
            named_a = [None if k == -1 else a["class_names"][k] for k in a[name]]
            assert named_a == [None if k == -1 else b["class_names"][k] for k in b[name]]
    calibench.apply_map(fitted, moved, tmp_path / "b.csv.csv")
    with (tmp_path / "b.csv.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == words
    assert list(rows[0])[:4] == ["prob_fish", "prob_dog", "prob_cat", "prob_bird"]
    others = table(tmp_path / "c.csv", ("cat", "dog", "bird", "cow"), softmax(test), None)
    with pytest.raises(
        InputError, match=r"c\.csv has the classes cat, dog, bird, cow, and the map .* bird, fish\n.*cow, fish"
    ):
        calibench.apply_map(fitted, others, tmp_path / "c.npz")
    assert not (tmp_path / "c.npz").exists()


def test_decisions_are_classes_also_where_a_file_has_no_labels(tmp_path: Path) -> None:
    logits, labels = make(300, 0)
    fitted = calibench.fit_map(
        probs=softmax(logits), labels=labels, method="vector+threshold:value=0.6", class_names=NAMES
    )
    order = [2, 0, 3, 1]
    words = [NAMES[label] for label in labels]
    columns = tuple(NAMES[k] for k in order)
    heads = tuple(f"prob_{name}" for name in columns)
    for name, given in (("with.csv", words), ("without.csv", None)):
        file = table(tmp_path / name, heads, softmax(logits)[:, order], given)
        calibench.apply_map(fitted, file, tmp_path / f"out_{name}")
    found = []
    for name in ("with.csv", "without.csv"):
        with (tmp_path / f"out_{name}").open(newline="") as file:
            found.append(list(csv.DictReader(file)))
    decided = [[row["decision"] for row in rows] for rows in found]
    assert set(decided[1]) <= {*NAMES, "abstain"}
    assert decided[1] == decided[0]
    assert list(found[1][0])[:4] == [f"prob_{name}" for name in columns]


def test_names_on_one_side_alone_are_noted(tmp_path: Path) -> None:
    logits, labels = make(700, 0)
    fitted = calibench.fit_map(probs=softmax(logits), labels=labels, method="temperature", class_names=NAMES)
    np.savez(tmp_path / "new.npz", probs=softmax(logits))
    applied = calibench.apply_map(fitted, tmp_path / "new.npz", tmp_path / "out.npz")
    assert applied.notes == [f"class names are missing in {tmp_path / 'new.npz'}: columns were taken by position"]


@pytest.mark.parametrize("method", ["temperature+conformal:method=aps", "isotonic+threshold:value=0.6", "beta"])
def test_one_pass_gives_the_same(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from calibench.outputs.readers import block_file

    monkeypatch.setattr(block_file, "BLOCK_NUMBERS", 4 * 64)
    monkeypatch.setattr(block_file, "FEWEST_ROWS", 1)
    logits, labels = make(500, 1)
    fitted = calibench.fit_map(*make(700, 0), method=method)
    np.savez(tmp_path / "new.npz", logits=logits, labels=labels)
    seen: list[float] = []
    for name in ("npz", "csv", "parquet"):
        whole, streamed = tmp_path / f"whole.{name}", tmp_path / f"streamed.{name}"
        one = calibench.apply_map(fitted, tmp_path / "new.npz", whole)
        two = calibench.apply_map(
            fitted, tmp_path / "new.npz", streamed, stream=True, report=lambda _, done, *rest: seen.append(done)
        )
        assert (one.rows, one.abstained) == (two.rows, two.abstained)
        if name == "csv":
            assert whole.read_bytes() == streamed.read_bytes()
    assert len(seen) == 3 * 8
    with np.load(tmp_path / "whole.npz") as a, np.load(tmp_path / "streamed.npz") as b:
        assert a.files == b.files
        for key in a.files:
            assert np.array_equal(a[key], b[key]), key


def test_one_pass_cannot_estimate_class_shares(tmp_path: Path) -> None:
    logits, labels = make(700, 0)
    fitted = calibench.fit_map(logits, labels, method="prior-correction")
    np.savez(tmp_path / "new.npz", logits=logits, labels=labels)
    with pytest.raises(InputError, match="prior-correction takes values from all rows"):
        calibench.apply_map(fitted, tmp_path / "new.npz", tmp_path / "out.npz", stream=True)
    assert [path.name for path in tmp_path.iterdir()] == ["new.npz"]


@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_several_labels_with_labels_and_without(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 3)) * 2
    y = (rng.random(z.shape) < 1 / (1 + np.exp(-z / 2))).astype(np.int64)
    given = z if kind == "logits" else 1 / (1 + np.exp(-z))
    fitted = calibench.fit_map(**{kind: given[:200]}, labels=y[:200], method="temperature")
    np.savez(tmp_path / "new.npz", **{kind: given[200:]}, labels=y[200:])
    calibench.apply_map(fitted, tmp_path / "new.npz", tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as stored:
        assert np.array_equal(stored["labels"], y[200:])
        assert np.abs(stored["probs"] - fitted.probs(given[200:])).max() <= 1e-12
    if kind == "logits":
        np.savez(tmp_path / "bare.npz", logits=given[200:])
        calibench.apply_map(fitted, tmp_path / "bare.npz", tmp_path / "bare-out.npz")
        with np.load(tmp_path / "bare-out.npz") as stored:
            assert np.abs(stored["probs"] - fitted.probs(given[200:])).max() <= 1e-12


def test_files_that_cannot_be_written_or_taken(fitted: calibench.CalibrationMap, tmp_path: Path) -> None:
    logits, labels = make(60, 1)
    np.savez(tmp_path / "new.npz", logits=logits, labels=labels)
    np.savez(tmp_path / "three.npz", logits=logits[:, :3], labels=labels % 3)
    np.savez(tmp_path / "probs.npz", probs=softmax(logits), labels=labels)
    np.savez(tmp_path / "softmax.npz", logits=softmax(logits), labels=labels)
    before = sorted(tmp_path.iterdir())
    for source, output, message in (
        ("new.npz", "out.txt", r"ending is \.txt"),
        ("new.npz", "out", "ending is missing"),
        ("new.npz", "new.npz", "is the file that is read"),
        ("new.npz", "none/out.npz", "there is no folder"),
        ("three.npz", "out.npz", "3 classes, and the map was fitted on 4"),
        ("probs.npz", "out.npz", "these are probabilities, and the map was fitted on logits"),
        ("softmax.npz", "out.npz", "these are probabilities, and the map was fitted on logits"),
    ):
        with pytest.raises(InputError, match=message):
            calibench.apply_map(fitted, tmp_path / source, tmp_path / output)
    assert sorted(tmp_path.iterdir()) == before


def test_the_map_names_what_it_was_fitted_on(tmp_path: Path, cli: Any) -> None:
    from calibench.atomic import digest_of

    logits, labels = make(700, 0)
    np.savez(tmp_path / "val.npz", logits=logits, labels=labels)
    ran = cli("fit", "val.npz", "--method", "temperature", "-o", "map.json", "--json")
    assert ran.code == 0, ran.err
    document = json.loads((tmp_path / "map.json").read_text())
    assert ran.document == document
    assert document["fitted_on"]["file"] == "val.npz"
    assert document["fitted_on"]["sha256"] == digest_of(tmp_path / "val.npz")
    assert document["fitted_on"]["rows"] == 700
    assert document["fitted_on"]["label_counts"] == np.bincount(labels).tolist()
