"""Files as people have them: columns and entries beside the scores do not stand in the way, and are never taken for scores."""

from __future__ import annotations

import json

import numpy as np
import pytest

from calibench.errors import InputError
from calibench.outputs.readers import Columns, read_samples

RNG = np.random.default_rng(1)
LOGITS = RNG.normal(size=(60, 3)) * 2
PROBS = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
LABELS = np.arange(60) % 3
NAMES = ("cat", "dog", "fox")
WORDS = [NAMES[label] for label in LABELS]


def parquet(path, **columns):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    pq.write_table(pa.table(columns), path)
    return path


def by_class():
    return {f"prob_{name}": PROBS[:, place] for place, name in enumerate(NAMES)}


def judged(path, scores=PROBS, **choices):
    samples = read_samples(path, Columns(**choices))
    np.testing.assert_array_equal(samples.outputs.given, scores)
    np.testing.assert_array_equal(samples.labels, LABELS)
    return samples


def test_values_may_be_missing_in_other_columns_of_a_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    beside = {"age": [None, *[1.5] * 59], "visits": pa.array([None, *range(59)]), "note": pa.nulls(60)}
    judged(parquet(tmp_path / "a.parquet", **by_class(), **beside, label=WORDS))


def test_missing_whole_numbers_as_labels_are_left_out_when_the_user_says_so(tmp_path):
    pa = pytest.importorskip("pyarrow")
    labels = pa.array([None, *LABELS[1:].tolist()])
    file = parquet(tmp_path / "a.parquet", **by_class(), label=labels)
    with pytest.raises(InputError, match="row 0: label is missing") as error:
        read_samples(file)
    assert "--ignore nan" in error.value.hint
    samples = read_samples(file, Columns(ignore="nan"))
    np.testing.assert_array_equal(samples.labels, LABELS[1:])


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
@pytest.mark.parametrize("scores", [by_class(), {name: PROBS[:, place] for place, name in enumerate(NAMES)}])
def test_lists_beside_columns_of_scores_are_no_scores(ending, scores, tmp_path):
    file = tmp_path / f"a.{ending}"
    embedding, tags = [[0.5, -1.0]] * 60, [["x", "y"]] * 60
    if ending == "parquet":
        parquet(file, embedding=embedding, tags=tags, **scores, label=WORDS)
    else:
        rows = zip(*[column.tolist() for column in scores.values()], WORDS, strict=True)
        lines = [{**dict(zip([*scores, "label"], row, strict=True)), "embedding": [0.5, -1.0]} for row in rows]
        file.write_text("\n".join(map(json.dumps, lines)))
    assert judged(file).class_names == NAMES


def test_lists_of_another_name_are_scores_where_no_columns_are_and_a_note_says_so(tmp_path):
    file = parquet(tmp_path / "a.parquet", out=PROBS.tolist(), label=LABELS)
    assert "the scores are the lists 'out'" in judged(file).notes


def test_objects_beside_the_scores_of_json_lines_name_no_classes(tmp_path):
    rows = [
        {"meta": {"tokens": 3, f"t{place}": 0.7}, "probs": row.tolist(), "label": int(label)}
        for place, (row, label) in enumerate(zip(PROBS, LABELS, strict=True))
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert judged(tmp_path / "a.jsonl").class_names is None


def test_scores_by_class_in_a_parquet_are_those_of_json_lines(tmp_path):
    rows = [dict(zip(NAMES, row, strict=True)) for row in PROBS.tolist()]
    assert judged(parquet(tmp_path / "a.parquet", probs=rows, label=WORDS)).class_names == NAMES
    lines = [{"scores": row, "label": word} for row, word in zip(rows, WORDS, strict=True)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert judged(tmp_path / "a.jsonl").class_names == NAMES


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_words_as_the_classes_of_the_largest_probabilities(ending, tmp_path):
    order = np.argsort(-PROBS, axis=1)[:, :2]
    top = {
        "topk_probs": np.take_along_axis(PROBS, order, axis=1).tolist(),
        "topk_classes": np.array(NAMES)[order].tolist(),
        "label": WORDS,
    }
    file = tmp_path / f"a.{ending}"
    if ending == "parquet":
        parquet(file, **top)
    else:
        rows = [dict(zip(top, row, strict=True)) for row in zip(*top.values(), strict=True)]
        file.write_text("\n".join(map(json.dumps, rows)))
    samples = read_samples(file)
    np.testing.assert_array_equal(samples.labels == 0, order[:, 0] == LABELS)


def test_a_stream_of_arrow_is_read_as_a_file_of_it(tmp_path):
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"probs": PROBS.tolist(), "label": LABELS})
    with pa.ipc.new_stream(tmp_path / "data.arrow", table.schema) as stream:
        stream.write_table(table)
    judged(tmp_path / "data.arrow")


def test_an_empty_dataset_of_hdf5_is_left_out(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["probs"], file["labels"], file["nothing"] = PROBS, LABELS, h5py.Empty("f4")
    judged(tmp_path / "a.h5")


def test_a_pair_of_tensors_is_scores_and_labels(tmp_path):
    torch = pytest.importorskip("torch")
    for scores in (LOGITS, PROBS):
        torch.save((torch.tensor(scores), torch.tensor(LABELS)), tmp_path / "a.pt")
        assert judged(tmp_path / "a.pt", scores).outputs.from_probs == (scores is PROBS)


def test_lists_of_batches_are_joined(tmp_path):
    torch = pytest.importorskip("torch")
    batches = {"logits": torch.tensor(LOGITS).split(25), "labels": torch.tensor(LABELS).split(25)}
    torch.save({name: list(parts) for name, parts in batches.items()}, tmp_path / "a.pt")
    judged(tmp_path / "a.pt", LOGITS)


def test_a_torch_file_without_tensors_at_its_top_says_what_it_holds(tmp_path, recwarn):
    torch = pytest.importorskip("torch")
    torch.save({"test": {"logits": torch.tensor(LOGITS)}, "epoch": 3}, tmp_path / "a.pt")
    with pytest.raises(InputError, match="it holds test, epoch"):
        read_samples(tmp_path / "a.pt")
    torch.save({"logits": LOGITS, "labels": LABELS}, tmp_path / "a.pt")
    with pytest.raises(InputError, match="a pickle") as error:
        read_samples(tmp_path / "a.pt")
    assert "torch.from_numpy" in error.value.hint
    assert not recwarn.list


@pytest.mark.parametrize("classes", [1, 3])
def test_labels_in_one_column_of_an_array(classes, tmp_path):
    scores = PROBS if classes == 3 else PROBS[:, :1]
    labels = LABELS if classes == 3 else (LABELS == 0).astype(int)
    np.savez(tmp_path / "a.npz", probs=scores, labels=labels[:, None])
    np.testing.assert_array_equal(read_samples(tmp_path / "a.npz").labels, labels)
