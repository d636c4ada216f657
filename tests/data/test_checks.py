"""Arrays that are refused, with the place that is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from toy_data import arrays, split

from calibench import Arrays, InputError

NAN = np.ones((8, 2))
NAN[3, 1] = np.nan
Y = np.array([0, 1] * 4)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Arrays(x=np.ones(8), y=Y), r"x has shape \[8\]"),
        (Arrays(x=np.ones((8, 2)), y=Y[:7]), r"x has 8 rows and y has shape \[7\]"),
        (Arrays(x=np.ones((0, 2)), y=Y[:0]), "it is empty"),
        (Arrays(x=np.ones((8, 0)), y=Y), "it is empty"),
        (Arrays(x=np.ones((8, 2)), y=Y.astype(float)), "y has type float64"),
        (Arrays(x=np.full((8, 2), "a"), y=Y), "x has type"),
        (Arrays(x=NAN, y=Y), "row 3 of x holds NaN"),
        (Arrays(x=np.ones((8, 2)), y=Y - np.array([0, 0, 1] + [0] * 5)), "the label of row 2 is -1"),
        (Arrays(x=np.ones((8, 2)), y=np.array([0, 2**64 - 1] * 4, dtype=np.uint64)), "the label of row 1 is"),
        (Arrays(x=np.arange(400.0).reshape(200, 2), y=np.zeros(200, int)), "one class"),
        (arrays(head_weight=np.ones((4, 3))), "come together"),
        (arrays(head_weight=np.ones((4, 2)), head_bias=np.ones(4)), "do not fit x"),
        (arrays(head_weight=np.ones((4, 3)), head_bias=np.ones(3)), "do not fit x"),
        (arrays(head_weight=np.ones((3, 3)), head_bias=np.ones(3)), r"a label is 3, outside \[0, 3\)"),
        (arrays(head_weight=np.full((4, 3), np.nan), head_bias=np.ones(4)), "NaN or infinity"),
        (arrays(head_weight=np.full((4, 3), "w"), head_bias=np.ones(4)), "head_weight"),
        (arrays(test=(np.ones((5, 4)), np.array([0, 1, 2, 3, 0]))), "differ in shape"),
    ],
)
def test_bad_arrays_are_refused(source: Arrays, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        split(source)
    assert caught.value.message.startswith("dataset toy")


@pytest.mark.filterwarnings("error")
def test_values_beyond_float32_are_refused_without_a_warning() -> None:
    with pytest.raises(InputError, match="beyond float32"):
        split(Arrays(x=np.full((8, 2), 1e300), y=Y))
