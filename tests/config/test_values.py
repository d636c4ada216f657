"""Values of parameters: which texts are read as which values, and which are refused."""

from __future__ import annotations

import math

import pytest

from calibench import InputError, Param
from calibench.config.values import read_value


def read(param_type: str, text: str, **bounds) -> object:
    return read_value(Param("key", param_type, None, "what it means", **bounds), text, "noise 'thing'")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "64", 64),
        ("int", "-3", -3),
        ("int", "9" * 400, int("9" * 400)),
        ("float", "1e+5", 1e5),
        ("float", "3", 3.0),
        ("bool", "TRUE", True),
        ("bool", "no", False),
        ("bool", "1", True),
        ("str", "best", "best"),
        ("path", "a b;c", "a b;c"),
        ("ints", "128;64", (128, 64)),
        ("ints", "128", (128,)),
        ("floats", "0.2;1e-3", (0.2, 1e-3)),
    ],
)
def test_texts_that_are_read(kind, text, value):
    result = read(kind, text)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("int", "6.5", "is not a whole number"),
        ("int", "1e3", "is not a whole number"),
        ("int", "", "is not a whole number"),
        ("int", "9" * 5000, "is not a whole number"),
        ("float", "fast", "is not a number"),
        ("float", "0,5", "is not a number"),
        ("float", "nan", "is outside"),
        ("float", "inf", "is outside"),
        ("float", "-inf", "is outside"),
        ("float", "1e999", "is outside"),
        ("bool", "2", "is not true or false"),
        ("ints", "1;;2", "is not whole numbers joined by ';'"),
        ("ints", "1;2.5", "is not whole numbers joined by ';'"),
        ("floats", "0.2;", "is not numbers joined by ';'"),
        ("floats", "0.2;nan", "is outside"),
        ("str", "", "is empty"),
        ("path", "", "is empty"),
    ],
)
def test_texts_that_are_refused(kind, text, message):
    with pytest.raises(InputError) as error:
        read(kind, text)
    assert error.value.message.startswith(f"noise 'thing': key={text} is ")
    assert message in error.value.message
    assert error.value.hint == "what it means"


def test_bounds_are_allowed_values():
    for text in ("0", "1", "0.5"):
        assert read("float", text, minimum=0, maximum=1) == float(text)
    for text in ("-1e-9", "1.0000001", "9" * 300):
        with pytest.raises(InputError, match=r"is outside \[0, 1\]"):
            read("float", text, minimum=0, maximum=1)
    with pytest.raises(InputError, match=r"is outside \[1, inf\]"):
        read("int", "0", minimum=1)
    with pytest.raises(InputError, match=r"is outside \[-inf, 2\]"):
        read("ints", "1;3", maximum=2)


def test_an_unknown_choice_is_refused_with_the_nearest():
    assert read("str", "last", choices=("best", "last")) == "last"
    with pytest.raises(InputError, match="is not one of its choices") as error:
        read("str", "lst", choices=("best", "last"))
    assert error.value.hint == "did you mean 'last'?"
    with pytest.raises(InputError) as error:
        read("str", "first-of-all", choices=("best", "last"))
    assert error.value.hint == "known: best, last"


def test_minus_zero_is_zero():
    """They are equal, so they must not give two run ids."""
    assert math.copysign(1, read("float", "-0")) == 1
    assert [math.copysign(1, v) for v in read("floats", "-0.0;0")] == [1, 1]
