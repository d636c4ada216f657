"""Names of classes: what columns share is no part of a name, and labels find their class by name."""

from __future__ import annotations

import itertools
import random
import time

import numpy as np
import pytest

from calibench.errors import InputError
from calibench.outputs.columns import Columns
from calibench.outputs.roles.class_names import ClassNames, canonical, short_names
from calibench.outputs.roles.label_columns import label_columns
from calibench.outputs.roles.label_values import class_indices, from_one_hot

SHORT = {
    ("prob_cat", "prob_dog", "prob_fox"): ("cat", "dog", "fox"),
    ("prob_cat", "prob_car"): ("cat", "car"),
    ("cat", "car"): ("cat", "car"),
    ("p0", "p1", "p10", "p11", "p2"): ("0", "1", "10", "11", "2"),
    ("prob_1", "prob_10", "prob_11"): ("1", "10", "11"),
    ("No", "Not sure"): ("No", "Not sure"),
    ("cat_prob", "dog_prob"): ("cat", "dog"),
    ("model/cat/p", "model/dog/p"): ("cat", "dog"),
    ("p[cat]", "p[dog]"): ("cat", "dog"),
    ("class 1", "class 2"): ("1", "2"),
    ("1", "2", "3"): ("1", "2", "3"),
    ("x_", "x_y"): ("x_", "x_y"),
    ("a",): ("a",),
}


@pytest.mark.parametrize("names", SHORT)
def test_what_all_names_share_is_left_out(names):
    assert short_names(names) == SHORT[names]


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (3.0, "3"), ("03", "3"), (" 3.0 ", "3"), ("3.5", "3.5"), (b"cat", "cat"), ("-1", "-1"), (True, "True")],
)
def test_whole_numbers_are_compared_as_numbers(value, text):
    assert canonical(value) == text


def test_labels_find_their_class_whatever_it_looks_like():
    names = ClassNames(("prob_3", "prob_1", "prob_2"))
    assert [names.place(label) for label in (3, "3", "prob_1", 2.0, "02")] == [0, 0, 1, 2, 2]
    assert names.place(0) is None
    assert ClassNames(("No", "Yes")).place("yes") == 1
    assert ClassNames(("no", "NO", "x")).place("No") is None, "two classes differ by case alone"


def test_a_word_that_is_one_class_whole_and_another_in_short_is_the_whole_name():
    names = ClassNames(("x_1", "x_x_1"))
    assert names.short == ("1", "x_1")
    assert (names.place("x_1"), names.place("1"), names.place("x_x_1")) == (0, 0, 1)


def test_every_order_of_columns_gives_the_same_classes():
    words = ["3", "1", "10", "2"]
    labels = np.array([1, 2, 3, 10, 10, 1])
    for order in itertools.permutations(words):
        names = tuple(f"prob_{word}" for word in order)
        read = class_indices(labels, ClassNames(names), 4, "f", "label")
        assert [order[k] for k in read.labels] == [str(label) for label in labels]
        assert not read.by_position


def test_the_order_of_other_names_for_the_same_classes():
    assert ClassNames(("cat", "dog", "fox")).order_of(ClassNames(("prob_fox", "prob_cat", "prob_dog"))) == [1, 2, 0]
    assert ClassNames(("1", "2")).order_of(ClassNames(("p2", "p1"))) == [1, 0]
    assert ClassNames(("cat", "dog")).order_of(ClassNames(("cat", "cow"))) is None
    assert ClassNames(("cat", "dog")).order_of(ClassNames(("cat", "dog", "cow"))) is None


def test_random_tables_survive_a_shuffle_of_columns():
    source = random.Random(0)
    for _ in range(50):
        classes = [f"{source.choice('abc')}{k}" for k in range(source.randint(2, 6))]
        labels = np.array([source.choice(classes) for _ in range(20)])
        shuffled = source.sample(classes, len(classes))
        read = class_indices(
            labels, ClassNames(tuple(f"score {name}" for name in shuffled)), len(classes), "f", "y"
        ).labels
        assert [shuffled[k] for k in read] == labels.tolist()


KINDS = {
    "int": np.array([0, 2, 1]),
    "uint8": np.array([0, 2, 1], dtype=np.uint8),
    "float": np.array([0.0, 2.0, 1.0]),
    "text": np.array(["0", "2", "1"]),
    "bytes": np.array([b"0", b"2", b"1"]),
    "object": np.array([0, "2", 1.0], dtype=object),
}


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_every_type_are_positions_where_no_column_is_a_number(kind):
    for names in (None, ClassNames(("a", "b", "c"))):
        read = class_indices(KINDS[kind], names, 3, "f", "label")
        assert read.labels.tolist() == [0, 2, 1]
        assert read.by_position


def test_booleans_and_words_without_names():
    assert class_indices(np.array([True, False]), None, 2, "f", "y").labels.tolist() == [1, 0]
    assert class_indices(np.array([True, False]), ClassNames(("true", "false")), 2, "f", "y").labels.tolist() == [0, 1]
    read = class_indices(np.array(["fox", "cat", "dog", "cat"]), None, 3, "f", "y")
    assert (read.labels.tolist(), read.order) == ([2, 0, 1, 0], ("cat", "dog", "fox"))


REFUSED = {
    "no such number": ([1, 6], ("1", "2"), "row 1: y is '6', none of the classes 1, 2"),
    "a position beside names": (["a", "1"], ("a", "b"), "row 1: y is '1', and other rows name their class"),
    "no such word": (["a", "z"], ("a", "b"), "row 1: y is 'z', no class index and no score column's name"),
    "half": ([0.0, 0.5], None, "row 1: 'y' is 0.5"),
    "too few words": (["a", "b"], None, "row 0: y is 'a', and the 3 columns of scores have no names"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_labels_that_name_no_class_are_refused(case):
    labels, names, says = REFUSED[case]
    with pytest.raises(InputError, match=says):
        class_indices(np.array(labels), None if names is None else ClassNames(names), 3, "f", "y")
    with pytest.raises(InputError, match="row 0: y is missing"):
        class_indices(np.array([None, "a"], dtype=object), ClassNames(("a", "b")), 2, "f", "y")


def test_one_hot_rows():
    eye = np.eye(3)[[2, 0, 1]]
    for labels in (eye, eye.astype(int), eye.astype(bool)):
        assert from_one_hot(labels).tolist() == [2, 0, 1]
    for labels in (eye * 2, eye - 0.1, np.ones((2, 3)), np.zeros((2, 3))):
        assert from_one_hot(labels) is None


@pytest.mark.parametrize("names", [("p0", "p1"), ("cat", "dog"), None])
@pytest.mark.parametrize("label", ["9" * 10_000, "-" + "9" * 10_000, "9" * 5_000 + ".0", "word" * 2_000])
def test_a_very_long_label_is_refused_in_a_short_message(names, label):
    """Python makes no number of over 4300 digits."""
    labels = np.array(["0", label, "1"])
    if names == ("p0", "p1") or "word" in label:
        with pytest.raises(InputError, match="row 1: label is") as error:
            class_indices(labels, None if names is None else ClassNames(names), 2, "f.csv", "label")
        assert len(error.value.message) + len(error.value.hint) < 500
    else:  # a position; the caller refuses those outside
        read = class_indices(labels, None if names is None else ClassNames(names), 2, "f.csv", "label")
        assert abs(read.labels[1]) == 1 << 62
        assert read.labels[[0, 2]].tolist() == [0, 1]


def test_zeros_before_a_long_number_do_not_count():
    read = class_indices(np.array(["0" * 5_000 + "1", "0" * 30 + ".0"]), None, 2, "f.csv", "label")
    assert read.labels.tolist() == [1, 0]


def test_fifty_thousand_columns_are_matched_within_seconds():
    """A label is looked up among the names in time that grows with their number, and no faster."""
    names = ClassNames(tuple(f"p_{number}" for number in range(50_000)))
    start = time.process_time()
    assert [names.place(text) for text in ("49999", "p_7", "P_8", "none")] == [49_999, 7, 8, None]
    assert time.process_time() - start < 5


def test_the_hint_among_many_arrays_of_words_comes_within_seconds():
    arrays = {f"a{number}": np.array(["cat", f"a{number}"]) for number in range(20_000)}
    start = time.process_time()
    with pytest.raises(InputError, match="no column or array is named labels") as error:
        label_columns("f.npz", arrays | {"said": np.array(["a1", "a2"])}, Columns())
    assert "are they in 'said'? --labels said" in error.value.hint
    assert time.process_time() - start < 8
