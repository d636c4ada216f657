"""Mistakes and habits that files show: each is read rightly, or the hint of its refusal is a command that works."""

from __future__ import annotations

import json

import numpy as np
import pytest

from calibench.errors import InputError
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.readers import read_samples
from calibench.outputs.roles.samples import samples_of

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(40, 3)) * 3
PROBS = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
LABELS = np.arange(40) % 3
WORDS = np.array(["cat", "dog", "fox"])[LABELS]
AGE, BMI = RNG.integers(18, 90, 40), RNG.random(40) * 40
YES = LABELS == 0


def table(columns, **choices):
    text = {name: np.array([str(value) for value in values], dtype=object) for name, values in columns.items()}
    return samples_of(Content(text), Columns(**choices), "t.csv")


def arrays(columns, **choices):
    return samples_of(
        Content({name: np.asarray(value) for name, value in columns.items()}, table=False), Columns(**choices), "a.npz"
    )


def named(scores):
    return dict(zip(("cat", "dog", "fox"), np.asarray(scores).T, strict=True))


def test_numbers_that_no_label_names_are_no_scores_beside_probabilities():
    samples = table({"age": AGE, "bmi": BMI, **named(PROBS), "label": WORDS})
    np.testing.assert_array_equal(samples.scores, PROBS)
    assert "no label names the columns age, bmi, which are left out: without them every row sums to 1" in samples.notes
    assert samples.class_names == ("cat", "dog", "fox")


def test_whole_numbers_that_no_label_names_are_no_scores_beside_logits():
    samples = table({"age": AGE, **named(LOGITS), "label": WORDS})
    np.testing.assert_array_equal(samples.scores, LOGITS)
    assert (
        "no label names the columns age, which are left out: they hold whole numbers, or lack values" in samples.notes
    )


def test_other_numbers_beside_logits_are_named():
    samples = table({"bmi": BMI, **named(LOGITS), "label": WORDS})
    assert samples.scores.shape == (40, 4)
    assert any("no label names the columns bmi, which are taken as classes" in note for note in samples.notes)


def test_a_class_that_no_label_names_keeps_its_column():
    labels = np.where(WORDS == "fox", "cat", WORDS)
    assert table({**named(PROBS), "label": labels}).scores.shape == (40, 3)
    assert table({**named(LOGITS), "label": labels}).scores.shape == (40, 3)


def test_scores_that_may_be_neither_are_listed():
    with pytest.raises(InputError, match="row 0: probabilities lie outside") as error:
        table({"age": AGE, "bmi": BMI, "cat": PROBS[:, 0], "label": YES.astype(int)})
    assert "age, bmi, cat" in error.value.hint


ANSWERS = {"confidence": PROBS.max(axis=1), "pred": PROBS.argmax(axis=1), "label": LABELS}
RIGHT = PROBS.argmax(axis=1) == LABELS


@pytest.mark.parametrize(
    "columns",
    [
        ANSWERS,
        {**ANSWERS, "correct": RIGHT},
        {**ANSWERS, "age": AGE, "bmi": BMI},
        {
            "conf": ANSWERS["confidence"],
            "prediction": np.array(["cat", "dog", "fox"])[ANSWERS["pred"]],
            "y_true": WORDS,
        },
    ],
)
def test_a_confidence_beside_answers_and_labels(columns):
    samples = table(columns)
    assert samples.top_label_only
    np.testing.assert_array_equal(samples.labels == 0, RIGHT)


def test_a_confidence_beside_all_scores_is_left_alone():
    for scores, kind in ((named(PROBS), True), (named(LOGITS), False)):
        samples = table({**ANSWERS, **scores, "label": WORDS})
        assert not samples.top_label_only
        assert samples.scores.shape == (40, 3)
        assert samples.from_probs == kind


def test_one_column_in_percent():
    samples = table({"prob": 100 * PROBS[:, 0], "label": YES.astype(int)})
    np.testing.assert_allclose(samples.scores[:, 1], PROBS[:, 0])
    assert "'prob' is taken as percent" in samples.notes


def test_a_confidence_a_little_over_1_is_no_percentage():
    confidence = PROBS.max(axis=1)
    confidence[0] = 1.0004
    samples = table({"confidence": confidence, "correct": RIGHT})
    np.testing.assert_array_equal(samples.scores[:, 0], np.minimum(confidence, 1))


def test_several_columns_called_label_0_are_no_answers_of_timm():
    columns = {f"prob_{k}": PROBS[:, k] for k in range(3)} | {f"label_{k}": (k == LABELS).astype(int) for k in range(3)}
    np.testing.assert_array_equal(table(columns, label="label_*").labels, LABELS)
    with pytest.raises(InputError) as error:
        table(columns)
    assert error.value.hint == "name their columns: --labels 'label_*'"


def test_labels_from_1_to_k_and_the_hint_that_names_them():
    with pytest.raises(InputError, match=r"the label is outside \[0, 3\)") as error:
        arrays({"probs": PROBS, "labels": LABELS + 1})
    assert "--classes 1,2,3 " in error.value.hint
    np.testing.assert_array_equal(
        arrays({"probs": PROBS, "labels": LABELS + 1}, classes=("1", "2", "3")).labels, LABELS
    )


def test_labels_of_minus_1_and_the_hint_that_leaves_them_out():
    labels = np.where(np.arange(40) < 5, -1, LABELS)
    with pytest.raises(InputError) as error:
        arrays({"probs": PROBS, "labels": labels})
    assert "--ignore -1" in error.value.hint
    samples = arrays({"probs": PROBS, "labels": labels}, ignore="-1")
    assert "5 of 40 rows are left out: the label is -1" in samples.notes


def test_missing_labels_of_a_table_and_the_hint_that_leaves_them_out():
    labels = ["", *WORDS[1:]]
    with pytest.raises(InputError) as error:
        table({**named(PROBS), "label": labels})
    assert error.value.hint.endswith("--ignore nan")
    for ignore in ("nan", ""):
        assert len(table({**named(PROBS), "label": labels}, ignore=ignore).scores) == 39
    assert "1 of 40 rows is left out: the label is missing" in table({**named(PROBS), "label": labels}, ignore="").notes


def test_python_objects_beside_the_arrays_are_left_out(tmp_path):
    meta = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "a.npz", probs=PROBS, labels=LABELS, meta=meta)
    samples = read_samples(tmp_path / "a.npz")
    np.testing.assert_array_equal(samples.outputs.given, PROBS)
    assert samples.unused == ("meta",)
    np.savez(tmp_path / "b.npz", probs=PROBS, labels=WORDS.astype(object))
    with pytest.raises(InputError, match="'labels' holds Python objects") as error:
        read_samples(tmp_path / "b.npz")
    assert ".astype(str)" in error.value.hint


def test_a_missing_score_in_a_table_is_no_choice_that_a_row_does_not_have():
    logits = LOGITS.copy()
    logits[5, 2] = np.nan
    samples = table({**named(logits), "label": WORDS})
    assert np.isnan(samples.scores[5, 2]), "the check of the outputs refuses it"
    samples = arrays({"logits": logits, "labels": np.where(np.arange(40) == 5, 0, LABELS)})
    assert any("-inf and NaN at the end of a row" in note for note in samples.notes)


def test_choices_that_rows_do_not_have_are_not_among_the_numbers_of_the_note():
    logits = LOGITS.copy()
    logits[5, 2] = -np.inf
    samples = table({**named(logits), "label": np.where(np.arange(40) == 5, "cat", WORDS)})
    low, high = np.sort(logits[np.isfinite(logits)])[[0, -1]]
    assert f"the scores are taken as logits: they run from {low:.3g} to {high:.3g}" in samples.notes


def test_one_probability_a_pixel_on_an_axis_of_one():
    p, yes = RNG.random((4, 1, 5, 6)), RNG.integers(0, 2, (4, 5, 6))
    samples = arrays({"probs": p, "labels": yes})
    np.testing.assert_array_equal(samples.scores[:, 1], p.ravel())
    np.testing.assert_array_equal(samples.labels, yes.ravel())
    with pytest.raises(InputError) as error:
        arrays({"probs": p, "labels": yes[:, None]})
    assert "reshape(-1)" in error.value.hint


def test_pixels_without_a_label_and_the_hint_that_leaves_them_out():
    labels = np.where(np.arange(40) < 5, 255, LABELS)
    with pytest.raises(InputError) as error:
        arrays({"probs": PROBS, "labels": labels})
    assert error.value.hint == "class indices run from 0 to 2; rows without a label: --ignore 255"


@pytest.mark.parametrize("ending", [".csv", ".json", ".parquet", ".h5"])
def test_an_ending_that_is_not_that_of_the_content(ending, tmp_path):
    np.savez(tmp_path / "a.npz", probs=PROBS, labels=LABELS)
    file = (tmp_path / "a.npz").rename(tmp_path / f"a{ending}")
    with pytest.raises(InputError, match="begins as npz does") as error:
        read_samples(file)
    assert "--format npz" in error.value.hint
    np.testing.assert_array_equal(read_samples(file, Columns(format="npz")).labels, LABELS)


def test_the_hint_for_classes_that_are_no_positions_names_them_in_sorted_order():
    for labels, hint in (
        (np.array(["z", "a", "m"])[LABELS], "--classes a,m,z "),
        (np.array([5, -7, 90])[LABELS], "--classes=-7,5,90 "),
    ):
        with pytest.raises(InputError) as error:
            table({"0": PROBS[:, 0], "1": PROBS[:, 1], "2": PROBS[:, 2], "label": labels})
        assert hint in error.value.hint
    with pytest.raises(InputError) as error:
        arrays({"probs": PROBS, "labels": np.array([5, -7, 90])[LABELS]})
    assert "--classes=-7,5,90 " in error.value.hint
    with pytest.raises(InputError) as error:
        arrays({"probs": PROBS[:, :2] / PROBS[:, :2].sum(axis=1, keepdims=True), "labels": 2 * YES.astype(int) - 1})
    assert "--classes=-1,1 " in error.value.hint


def test_labels_in_a_file_that_pandas_writes_with_an_index(tmp_path):
    np.save(tmp_path / "probs.npy", PROBS)
    (tmp_path / "y.csv").write_text(",0\n" + "\n".join(f"{row},{label}" for row, label in enumerate(LABELS)))
    samples = read_samples(tmp_path / "probs.npy", Columns(label=str(tmp_path / "y.csv")))
    np.testing.assert_array_equal(samples.labels, LABELS)
    (tmp_path / "y.txt").write_text("0\n1\n")
    with pytest.raises(InputError, match="labels cannot be read from files of this type"):
        read_samples(tmp_path / "probs.npy", Columns(label=str(tmp_path / "y.txt")))


def test_percent_signs_and_missing_confidences_in_json_lines(tmp_path):
    rows = [{"confidence": f"{60 + row}%", "correct": "yes" if row % 3 else "no"} for row in range(30)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    np.testing.assert_allclose(read_samples(tmp_path / "a.jsonl").outputs.given[:, 0], (60 + np.arange(30)) / 100)
    rows = [{"confidence": None if row == 3 else 0.5, "correct": row % 2 == 0} for row in range(30)]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InputError, match="row 3: confidence is missing"):
        read_samples(tmp_path / "b.jsonl")


def test_verbalised_confidences_that_are_fractions_are_said_to_be(tmp_path):
    judged = {
        str(row): {"judge_response": {"correct": "yes" if row % 3 else "no", "confidence": (50 + row) / 100}}
        for row in range(30)
    }
    (tmp_path / "a.json").write_text(json.dumps(judged))
    samples = read_samples(tmp_path / "a.json")
    np.testing.assert_allclose(samples.outputs.given[:, 0], (50 + np.arange(30)) / 100)
    assert any("which are fractions here" in note for note in samples.notes)


BLANKS = ["", *map(str, range(39))]


@pytest.mark.parametrize("blank", ["", "NA", "nan"])
@pytest.mark.parametrize("labels", [WORDS, LABELS])
def test_columns_that_lack_values_are_no_scores_beside_probabilities(blank, labels):
    lacking = {"visits": [blank, *range(39)], "weight_kg": [*BMI[:39], blank]}
    samples = table({**lacking, **named(PROBS), "label": labels})
    np.testing.assert_array_equal(samples.scores, PROBS)
    assert any("the columns visits, weight_kg are left out: they lack values" in note for note in samples.notes)


def test_columns_that_lack_values_are_no_scores_beside_logits():
    samples = table({"visits": BLANKS, **named(LOGITS), "label": WORDS})
    np.testing.assert_array_equal(samples.scores, LOGITS)
    with pytest.raises(InputError, match="row 0: dog is ''"):
        table({"cat": LOGITS[:, 0], "dog": ["", *LOGITS[1:, 1]], "fox": LOGITS[:, 2], "label": WORDS})


def test_names_that_are_alike_as_numbers_are_told_apart_as_they_are_written():
    for names in (("01", "1", "2"), ("1.0", "1.5", "2.0"), ("-100", "1", "2"), ("1e3", "1000", "2")):
        samples = table({**dict(zip(names, PROBS.T, strict=True)), "label": np.array(names)[LABELS]})
        np.testing.assert_array_equal(samples.labels, LABELS)
    numbers = np.array([1.0, 1.5, 2.0])
    columns = {**{str(name): PROBS[:, place] for place, name in enumerate(numbers)}, "label": numbers[LABELS]}
    np.testing.assert_array_equal(samples_of(Content(columns), Columns(), "t.parquet").labels, LABELS)


def test_classes_that_are_named_twice():
    with pytest.raises(InputError, match="--classes names 'cat' twice"):
        table({**named(PROBS), "label": WORDS}, classes=("cat", "cat", "fox"))
