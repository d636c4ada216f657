"""Labels find their class by name in whatever words and form, and notes say how."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from calibench.errors import InputError
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.roles.class_names import ClassNames
from calibench.outputs.roles.label_values import class_indices
from calibench.outputs.roles.samples import samples_of

P = np.random.default_rng(0).random(40)
YES = np.arange(40) % 2


def table(columns, **choices):
    text = {name: np.array([str(value) for value in values], dtype=object) for name, values in columns.items()}
    return samples_of(Content(text), Columns(**choices), "t.csv")


@pytest.mark.parametrize("labels", [(0, 1), (-1, 1), ("No", "Yes"), (False, True), ("negative", "positive")])
@pytest.mark.parametrize("names", [("False", "True"), ("No", "Yes"), ("neg", "pos"), ("0", "1"), ("prob_0", "prob_1")])
@pytest.mark.parametrize("order", [1, -1])
def test_yes_is_true_is_1_in_whatever_order_columns_stand(labels, names, order):
    columns = dict([(names[0], 1 - P), (names[1], P)][::order])
    samples = table({**columns, "label": [labels[yes] for yes in YES]})
    yes = list(columns).index(names[1])
    np.testing.assert_array_equal(samples.labels == yes, YES == 1)


def test_a_note_says_which_word_is_which_class():
    samples = table({"True": P, "False": 1 - P, "label": YES})
    assert "labels are in other words: 0 is 'False', 1 is 'True'" in samples.notes
    assert not any("position" in note for note in samples.notes)


def test_other_numbers_stay_positions_and_other_words_are_refused():
    assert class_indices(np.array([0, 1]), ClassNames(("True", "maybe")), 2, "f", "y").by_position
    with pytest.raises(InputError, match="y is 'sick'"):
        class_indices(np.array(["sick", "well"]), ClassNames(("True", "False")), 2, "f", "y")


FORMS = {
    ("prob_low risk", "prob_high risk"): ("low risk", "high risk"),
    ("P(red car)", "P(big red car)", "P(blue car)"): ("red car", "big red car", "blue car"),
    ("prob_hot dog", "prob_hot pie"): ("hot dog", "hot pie"),
    ("hot dog_prob", "big dog_prob"): ("hot dog", "big dog"),
    ("prob_class_1", "prob_class_2"): ("class_1", "class_2"),
}


@pytest.mark.parametrize("names", FORMS)
def test_names_that_share_words_are_found_by_labels_that_hold_them(names):
    words = FORMS[names]
    samples = table({**{name: np.full(40, 1 / len(names)) for name in names}, "label": [*words * 20][:40]})
    np.testing.assert_array_equal(samples.labels, np.arange(40) % len(names))
    assert samples.class_names == words


def test_accents_are_compared_as_letters():
    composed, apart = (unicodedata.normalize(form, "käse") for form in ("NFC", "NFD"))
    assert ClassNames((f"prob_{apart}", "prob_b")).place(composed) == 0
    assert ClassNames((f"prob_{composed}", "prob_b")).place(apart) == 0


def test_one_hot_columns_that_names_put_in_order_are_not_said_to_go_by_position():
    columns = {"prob_cat": P, "prob_dog": 1 - P, "y_dog": 1 - YES, "y_cat": YES}
    samples = table(columns, label="y_*")
    np.testing.assert_array_equal(samples.labels, 1 - YES)
    assert not any("position" in note for note in samples.notes)


@pytest.mark.parametrize("name", ["Label", "LABELS", "Target", "Y_true"])
def test_usual_names_of_labels_in_any_case(name):
    np.testing.assert_array_equal(table({"cat": 1 - P, "dog": P, name: YES}).labels, YES)


HINTS = {
    "several": ({"prob_a": P, "prob_b": 1 - P, "y_a": YES, "y_b": 1 - YES}, "--labels 'y_*'"),
    "none": ({"risk": P, "outcome": YES}, "known: outcome, risk"),
    "no header": ({"0.1358": P, "0.8642": 1 - P, "1": YES}, "write a line of names above it"),
}


@pytest.mark.parametrize("case", HINTS)
def test_what_to_do_where_nothing_has_a_usual_name_of_labels(case):
    columns, hint = HINTS[case]
    with pytest.raises(InputError, match="no column or array is named labels or label") as error:
        table(columns)
    assert hint in error.value.hint


def test_ten_thousand_columns_are_not_all_listed():
    with pytest.raises(InputError) as error:
        table({f"c{k}": [0.5, 0.5] for k in range(10_000)}, label="zzz")
    assert len(error.value.hint) < 1000
