"""Scores and labels are found by one set of rules in every format: kinds, shapes, and what is left out."""

from __future__ import annotations

import numpy as np
import pytest

from calibench.errors import InputError
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.roles.samples import samples_of
from calibench.outputs.roles.score_kind import with_kind

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(40, 3)) * 3
PROBS = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
LABELS = np.arange(40) % 3


def table(columns, **choices):
    text = {name: np.array([str(value) for value in values], dtype=object) for name, values in columns.items()}
    return samples_of(Content(text), Columns(**choices), "t.csv")


def arrays(columns, **choices):
    return samples_of(
        Content({name: np.asarray(value) for name, value in columns.items()}, table=False), Columns(**choices), "a.npz"
    )


def named(scores, names=("cat", "dog", "fox")):
    return dict(zip(names, np.asarray(scores).T, strict=True))


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "__index_level_0__", "index", "id", "anything"])
def test_a_column_of_row_numbers_is_named_and_left_out(name):
    samples = table({name: range(40), **named(LOGITS), "label": LABELS})
    np.testing.assert_array_equal(samples.scores, LOGITS)
    assert not samples.from_probs
    assert f"the column {name!r} is left out of the scores: it counts the rows" in samples.notes
    samples = table({name: range(40), **named(LOGITS), "label": LABELS}, logits="*")
    np.testing.assert_array_equal(samples.scores, LOGITS)


def test_a_column_of_row_numbers_that_the_user_names_is_a_score():
    samples = table({"id": range(40), **named(LOGITS), "label": LABELS}, logits="id,cat,dog,fox")
    assert samples.scores.shape == (40, 4)


def test_columns_beside_the_scores_are_left_out_and_named():
    words = ["x"] * 40
    extra = {"text": words, "weight": RNG.random(40), "age": RNG.random(40) * 90}
    samples = table({**extra, **named(PROBS), "label": LABELS})
    np.testing.assert_array_equal(samples.scores, PROBS)
    assert samples.class_names == ("cat", "dog", "fox")
    assert set(samples.others) == {"age", "text", "weight"}  # `apply` writes them again
    assert "the column 'age' is left out: without it every row sums to 1" in samples.notes
    assert set(samples.unused) == {"text", "weight"}


def test_a_class_may_be_called_as_other_columns_usually_are():
    samples = table({**named(PROBS, ("text", "file", "group")), "label": np.array(["text", "file", "group"])[LABELS]})
    assert samples.class_names == ("text", "file", "group")
    np.testing.assert_array_equal(samples.labels, LABELS)


def test_columns_that_the_user_gives_another_part_are_no_scores():
    samples = table({"w": PROBS[:, 0], **named(LOGITS), "label": LABELS}, others=("w",))
    assert samples.class_names == ("cat", "dog", "fox")
    assert list(samples.others) == ["w"]


def test_columns_are_found_by_their_beginning():
    both = {
        **named(PROBS, ("prob_a", "prob_b", "prob_c")),
        **named(LOGITS, ("logit_a", "logit_b", "logit_c")),
        "label": LABELS,
    }
    with pytest.raises(InputError, match=r"columns of probabilities .* and of logits"):
        table(both)
    np.testing.assert_array_equal(table(both, logits="logit_*").scores, LOGITS)
    samples = table({"noise": RNG.random(40), **named(LOGITS, ("logit_a", "logit_b", "logit_c")), "label": LABELS})
    assert not samples.from_probs
    np.testing.assert_array_equal(samples.scores, LOGITS)


def test_percent_and_logits_are_told_by_their_values():
    samples = table({**named(PROBS * 100), "label": LABELS})
    np.testing.assert_allclose(samples.scores, PROBS, rtol=1e-12)
    assert any("percent" in note for note in samples.notes)
    assert "the scores are taken as logits" in " ".join(table({**named(LOGITS), "label": LABELS}).notes)
    assert not table({**named(PROBS), "label": LABELS}, logits="cat,dog,fox").from_probs


@pytest.mark.parametrize("decimals", [1, 2, 3])
def test_rounded_probabilities_are_scaled_as_far_as_rounding_explains(decimals):
    probs = RNG.dirichlet(np.ones(8), size=400)
    rounded = np.round(probs, decimals)
    kind = with_kind(rounded, True, "f")
    assert np.abs(rounded.sum(axis=1) - 1).max() > 1e-3
    np.testing.assert_allclose(kind.values.sum(axis=1), 1, atol=1e-12)
    assert f"rounded to {decimals} decimal" in kind.notes[0]
    broken = rounded.copy()
    broken[7, 0] += 9 * 10.0**-decimals
    with pytest.raises(InputError, match="row 7: probabilities do not sum to 1 within"):
        with_kind(broken, True, "f")


def test_half_precision_is_accepted_and_worse_is_refused_with_its_cause():
    probs = RNG.dirichlet(np.ones(100) * 0.3, size=300).astype(np.float32)
    bits = (probs.view(np.uint32) & 0xFFFF0000).view(np.float32)
    kind = with_kind(bits, True, "f")
    if np.abs(bits.sum(axis=1, dtype=np.float64) - 1).max() > 1e-3:
        assert "bfloat16" in kind.notes[0]
    np.testing.assert_allclose(kind.values.sum(axis=1), 1, atol=1e-3)
    with pytest.raises(InputError, match=r"rows sum to 0\.\d+ to 0\.\d+.*") as error:
        with_kind(probs[:, :60] * np.float32(0.987654), True, "f")
    assert "a class is missing" in error.value.hint
    with pytest.raises(InputError) as error:
        with_kind(RNG.random((50, 3)), True, "f")
    assert "sigmoid" in error.value.hint


def test_probabilities_within_the_tolerance_are_not_touched():
    near = PROBS * 1.0005
    assert with_kind(near, True, "f").values is near


ONE = {
    "0 and 1": (["0", "1"], {}, ("0", "1")),
    "no and yes": (["No", "Yes"], {}, ("No", "Yes")),
    "minus one": (["-1", "1"], {}, ("-1", "1")),
    "named": (["ham", "spam"], {"positive": "ham"}, ("spam", "ham")),
    "in order": (["ham", "spam"], {"classes": ("spam", "ham")}, ("spam", "ham")),
}


@pytest.mark.parametrize("case", ONE)
@pytest.mark.parametrize("kind", ["p", "z"])
def test_one_column_is_two_classes_with_the_positive_one_named(case, kind):
    words, choices, classes = ONE[case]
    z = RNG.normal(size=30)
    p = 1 / (1 + np.exp(-z))
    truth = np.array(words)[np.arange(30) % 2]
    samples = table({"label": truth, "score" if kind == "p" else "margin": p if kind == "p" else z}, **choices)
    assert samples.class_names == classes
    assert samples.from_probs == (kind == "p")
    column = np.stack([1 - p, p], axis=1) if kind == "p" else np.stack([np.zeros(30), z], axis=1)
    np.testing.assert_array_equal(samples.scores, column)
    np.testing.assert_array_equal(samples.labels, truth == classes[1])
    assert f"class {classes[1]!r} (positive) against {classes[0]!r}" in samples.notes[-1]


def test_the_name_of_one_column_may_name_its_class():
    truth = np.array(["ham", "spam"] * 10)
    assert table({"label": truth, "prob_spam": RNG.random(20)}).class_names == ("ham", "spam")
    assert table({"label": truth, "ham": RNG.random(20)}).class_names == ("spam", "ham")
    with pytest.raises(InputError, match="nothing tells which of ham, spam it is of") as error:
        table({"label": truth, "p": RNG.random(20)})
    assert "--positive spam" in error.value.hint
    with pytest.raises(InputError, match="no label is 'eggs'"):
        table({"label": truth, "p": RNG.random(20)}, positive="eggs")
    with pytest.raises(InputError, match="3 classes: a, b, c"):
        table({"label": np.array(["a", "b", "c"] * 5), "p": RNG.random(15)})
    with pytest.raises(InputError, match="neither probabilities nor clearly logits"):
        table({"label": truth, "s": RNG.random(20) * 5})


@pytest.mark.parametrize("shape", [(30,), (30, 1)])
def test_one_array_of_two_classes(shape):
    z = RNG.normal(size=30)
    samples = arrays({"logits": z.reshape(shape), "labels": np.arange(30) % 2})
    np.testing.assert_array_equal(samples.scores, np.stack([np.zeros(30), z], axis=1))


def test_labels_of_minus_100_and_others_are_left_out_and_counted():
    labels = LABELS.copy()
    labels[[3, 7, 8]] = -100
    samples = arrays({"logits": LOGITS, "labels": labels, "group": np.arange(40)})
    assert "3 of 40 rows are left out: the label is -100" in samples.notes
    np.testing.assert_array_equal(samples.scores, np.delete(LOGITS, [3, 7, 8], axis=0))
    np.testing.assert_array_equal(samples.others["group"], np.delete(np.arange(40), [3, 7, 8]))
    words = np.array(["cat", "dog", "fox"], dtype=object)[LABELS]
    words[5] = ""
    samples = table({**named(LOGITS), "label": words}, ignore="nan")
    assert len(samples.labels) == 39
    with pytest.raises(InputError, match="no label is 'eel'"):
        table({**named(LOGITS), "label": words}, ignore="eel")
    with pytest.raises(InputError, match="all 40 labels are -100"):
        arrays({"logits": LOGITS, "labels": labels * 0 - 100})


def test_members_of_an_ensemble():
    members = np.stack([LOGITS, LOGITS[::-1], LOGITS * 0.5])
    probs = np.exp(members) / np.exp(members).sum(axis=-1, keepdims=True)
    with pytest.raises(InputError, match=r"shape \[3, 40, 3\], not \[N, K\]") as error:
        arrays({"logits": members, "labels": LABELS})
    assert "--combine mean" in error.value.hint
    mean = arrays({"logits": members, "labels": LABELS}, combine="mean").scores
    np.testing.assert_allclose(np.exp(mean) / np.exp(mean).sum(axis=1, keepdims=True), probs.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(
        arrays({"probs": probs, "labels": LABELS}, combine="mean").scores, probs.mean(axis=0), rtol=1e-12
    )
    product = np.exp(np.log(probs).mean(axis=0))
    product /= product.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        arrays({"probs": probs, "labels": LABELS}, combine="logit-mean").scores, product, rtol=1e-12
    )
    np.testing.assert_array_equal(arrays({"logits": members, "labels": LABELS}, member=1).scores, LOGITS[::-1])


def test_pixels_and_tokens():
    labels = RNG.integers(0, 3, size=(2, 4, 5))
    scores = RNG.normal(size=(2, 3, 4, 5))
    samples = arrays({"logits": scores, "labels": labels})
    assert samples.scores.shape == (40, 3)
    for b, h, w in ((0, 0, 0), (1, 3, 4), (0, 2, 1)):
        row = b * 20 + h * 5 + w
        np.testing.assert_array_equal(samples.scores[row], scores[b, :, h, w])
        assert samples.labels[row] == labels[b, h, w]
    tokens = RNG.normal(size=(4, 5, 3))
    labels = RNG.integers(0, 3, size=(4, 5))
    labels[2, 3:] = -100
    samples = arrays({"predictions": tokens, "label_ids": labels})
    assert len(samples.labels) == 18
    assert not samples.from_probs
    with pytest.raises(InputError, match="may lie on axis 0 or 1"):
        arrays({"logits": RNG.normal(size=(3, 3, 2)), "labels": np.zeros((3, 2), dtype=int)})
    samples = arrays({"logits": RNG.normal(size=(3, 3, 2)), "labels": np.arange(6).reshape(3, 2) % 3}, class_axis=1)
    assert samples.scores.shape == (6, 3)
    with pytest.raises(InputError, match=r"scores have shape \[2, 3, 4\] and labels \[2, 3\]"):
        arrays({"logits": np.zeros((2, 3, 4)), "labels": np.zeros((2, 3), dtype=int)}, class_axis=0)


@pytest.mark.parametrize("filling", [np.nan, -np.inf])
def test_rows_with_fewer_choices(filling):
    scores, labels = LOGITS.copy(), LABELS.copy()
    scores[::4, 2] = filling
    labels[::4] = 1
    samples = arrays({"logits": scores, "labels": labels})
    probs = np.exp(samples.scores - samples.scores.max(axis=1, keepdims=True))
    probs /= probs.sum(axis=1, keepdims=True)
    assert (probs[::4, 2] == 0).all()
    two = np.exp(scores[::4, :2])
    np.testing.assert_allclose(probs[::4, :2], two / two.sum(axis=1, keepdims=True), rtol=1e-12)
    np.testing.assert_array_equal(samples.scores[1::4], LOGITS[1::4])
    labels[4] = 2
    with pytest.raises(InputError, match="row 4: the label is 2, and the row has 2 choices"):
        arrays({"logits": scores, "labels": labels})


def test_confidence_and_correctness_alone():
    confidence, correct = RNG.random(50), np.arange(50) % 2
    for given in (correct, correct.astype(bool), np.array(["False", "True"])[correct]):
        samples = table({"confidence": confidence, "correct": given})
        assert samples.top_label_only
        np.testing.assert_array_equal(samples.scores[:, 0], confidence)
        np.testing.assert_array_equal(samples.labels == 0, correct == 1)
    with pytest.raises(InputError, match="row 3: correct is neither 0 nor 1"):
        table({"confidence": confidence, "correct": np.where(np.arange(50) == 3, 2, correct)})
    with pytest.raises(InputError, match="all 50 answers are right"):
        table({"confidence": confidence, "correct": correct * 0 + 1})
    assert not table(
        {
            "confidence": confidence,
            "correct": correct,
            **named(np.resize(PROBS, (50, 3))),
            "label": np.resize(LABELS, 50),
        }
    ).top_label_only


def test_the_largest_probabilities_alone():
    order = np.argsort(-PROBS, axis=1)[:, :2]
    top = np.take_along_axis(PROBS, order, axis=1)
    samples = arrays({"topk_probs": top, "topk_classes": order, "labels": LABELS})
    assert samples.top_label_only
    np.testing.assert_array_equal(samples.scores[:, 0], PROBS.max(axis=1))
    np.testing.assert_array_equal(samples.labels == 0, PROBS.argmax(axis=1) == LABELS)


def test_shares_and_counts_of_people():
    counts = RNG.multinomial(10, [0.5, 0.3, 0.2], size=40)
    for labels in (counts, counts / 10):
        samples = arrays({"probs": PROBS, "labels": labels})
        np.testing.assert_allclose(samples.soft, counts / 10)
        np.testing.assert_array_equal(samples.labels, counts.argmax(axis=1))
    samples = arrays({"probs": PROBS, "counts": counts})
    np.testing.assert_allclose(samples.soft, counts / 10)


def test_names_in_a_file_of_arrays():
    words = np.array(["fox", "cat", "dog"])
    truth = words[LABELS]
    samples = arrays({"probs": PROBS, "labels": truth, "class_names": words})
    assert samples.class_names == ("fox", "cat", "dog")
    np.testing.assert_array_equal(samples.labels, LABELS)
    samples = arrays({"probs": PROBS, "labels": truth}, classes=("fox", "cat", "dog"))
    np.testing.assert_array_equal(samples.labels, LABELS)
    samples = arrays({"probs": PROBS, "labels": truth})
    assert samples.class_names == ("cat", "dog", "fox")
    assert "sorted order of the labels, cat, dog, fox" in samples.notes[-1]
    assert "matched by position" in arrays({"probs": PROBS, "labels": LABELS}).notes[-1]
    with pytest.raises(InputError, match="--classes names 2 classes, and there are 3"):
        arrays({"probs": PROBS, "labels": LABELS}, classes=("a", "b"))


def test_several_labels_are_matched_to_their_scores_by_name():
    p = RNG.random((40, 3))
    y = (RNG.random((40, 3)) < p).astype(int)
    columns = {**named(p, ("p_a", "p_b", "p_c")), **named(y[:, [2, 0, 1]], ("y_c", "y_a", "y_b"))}
    samples = table(columns, probs="p_*", label="y_*")
    np.testing.assert_array_equal(samples.labels, y)


def test_labels_may_be_missing_where_nobody_asks_for_them():
    content = Content({"probs": PROBS}, table=False)
    assert samples_of(content, Columns(), "a.npz", labelled=False).labels is None
    with pytest.raises(InputError, match="the labels are missing"):
        samples_of(content, Columns(), "a.npz")
