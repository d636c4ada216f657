"""The grammar: what is read, what is refused and how, and that what is written reads back as the same."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from calibench import REQUIRED, InputError, NoiseSpec, Param
from calibench.config.grammar import Bound, Piece, bind, parse_piece, parse_recipe
from calibench.config.values import format_value, read_value


class Bare(NoiseSpec):
    """A spec to which calibench adds no parameter."""

    def shared_params(self) -> tuple[Param, ...]:
        return ()


def spec(*params: Param, name: str = "thing") -> NoiseSpec:
    return Bare(name=name, target="nowhere:nothing", summary="A test.", params=params)


ALL = spec(
    Param("count", "int", 3, "an int"),
    Param("rate", "float", 0.5, "a float"),
    Param("flag", "bool", True, "a bool"),
    Param("mode", "str", "best", "a str"),
    Param("file", "path", None, "a path"),
    Param("sizes", "ints", (128, 64), "ints"),
    Param("values", "floats", None, "floats"),
)


def read(param_type: str, text: str, **bounds) -> object:
    return read_value(Param("key", param_type, None, "what it means", **bounds), text, "noise 'thing'")


def rebound(bound: Bound) -> Bound:
    piece = parse_piece(bound.text())
    assert piece.name == bound.name
    return bind(bound.spec, piece.values)


# --- parsing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("ce", [("ce", {})]),
        ("ce+temperature", [("ce", {}), ("temperature", {})]),
        (" ce + vtst : latent_dim = 64 ", None),
        ("vtst:latent_dim=128,samples=10", [("vtst", {"latent_dim": "128", "samples": "10"})]),
        ("vtst: latent_dim = 128 , samples = 10 + ce", [("vtst", {"latent_dim": "128", "samples": "10"}), ("ce", {})]),
        ("ce:lr=1e+5+vtst", [("ce", {"lr": "1e+5"}), ("vtst", {})]),
        ("ce:lr=1e-5+vtst", [("ce", {"lr": "1e-5"}), ("vtst", {})]),
        ("ce:lr=+5", [("ce", {"lr": "+5"})]),
        ("threshold:values=0.2;0.4;0.4", [("threshold", {"values": "0.2;0.4;0.4"})]),
        ('npz:path="a,b+c.npz"', [("npz", {"path": "a,b+c.npz"})]),
        (r'npz:path="a\"b\\c"', [("npz", {"path": 'a"b\\c'})]),
        (r"npz:path=C:\data\x.npz", [("npz", {"path": r"C:\data\x.npz"})]),
        ("npz:path=a=b", [("npz", {"path": "a=b"})]),
        ("npz:path=a:b", [("npz", {"path": "a:b"})]),
        ('npz:path=" a "', [("npz", {"path": " a "})]),
        ("npz:path=", [("npz", {"path": ""})]),
        ("npz:path=Ünï code.npz", [("npz", {"path": "Ünï code.npz"})]),
    ],
)
def test_recipes_that_read(text, pieces):
    if pieces is None:  # a name takes no blanks before its colon
        with pytest.raises(InputError):
            parse_recipe(text)
        return
    assert parse_recipe(text) == tuple(Piece(name, tuple(values.items())) for name, values in pieces)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "'' is not a name"),
        (" ", "'' is not a name"),
        ("+", "'' is not a name"),
        ("ce+", "'' is not a name"),
        ("ce++vtst", "'' is not a name"),
        ("ce+2stage", "'ce+2stage' is not a name"),
        ("1ce", "'1ce' is not a name"),
        ("ce,vtst", "'ce,vtst' is not a name"),
        (":lr=1", "'' is not a name"),
        ("ce:", "'' is not key=value"),
        ("ce:lr", "'lr' is not key=value"),
        ("ce:=1", "'=1' is not key=value"),
        ("ce:lr=1,", "'' is not key=value"),
        ("ce:lr=1,,epochs=2", "'' is not key=value"),
        ("ce:lr=1,lr=1", "'lr' is given twice"),
        ("ce:lr=1, lr=2", "'lr' is given twice"),
        ('npz:path="a', "a double quote is not closed"),
        (r'npz:path="a\"', "a double quote is not closed"),
    ],
)
def test_recipes_that_do_not(text, says):
    with pytest.raises(InputError) as error:
        parse_recipe(text)
    assert says in error.value.message
    assert error.value.hint


# --- typed values ---------------------------------------------------------------------------------------------------


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
def test_values_that_read(kind, text, value):
    found = read(kind, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "says"),
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
def test_values_that_do_not(kind, text, says):
    with pytest.raises(InputError) as error:
        read(kind, text)
    assert error.value.message.startswith(f"noise 'thing': key={text} is ")
    assert says in error.value.message
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


def test_choices_get_did_you_mean():
    assert read("str", "last", choices=("best", "last")) == "last"
    with pytest.raises(InputError, match="is not one of its choices") as error:
        read("str", "lst", choices=("best", "last"))
    assert error.value.hint == "did you mean 'last'?"
    with pytest.raises(InputError) as error:
        read("str", "first-of-all", choices=("best", "last"))
    assert error.value.hint == "known: best, last"


def test_minus_zero_is_zero():
    """They are equal, so they must not give two run_ids."""
    assert math.copysign(1, read("float", "-0")) == 1
    assert [math.copysign(1, v) for v in read("floats", "-0.0;0")] == [1, 1]


# --- binding --------------------------------------------------------------------------------------------------------


def test_defaults_fill_what_is_not_said():
    bound = bind(ALL, (("count", "7"),))
    assert bound.params == {
        "count": 7,
        "rate": 0.5,
        "flag": True,
        "mode": "best",
        "file": None,
        "sizes": (128, 64),
        "values": None,
    }
    assert bound.text() == "thing:count=7"
    assert bind(ALL, ()).text() == "thing"
    assert bind(ALL, (("count", "3"), ("sizes", "128;64"), ("flag", "yes"))).text() == "thing"
    assert bound.document()["params"]["sizes"] == [128, 64]


def test_an_unknown_key_gets_did_you_mean():
    with pytest.raises(InputError, match="noise 'thing' has no parameter 'cuont'") as error:
        bind(ALL, (("cuont", "7"),))
    assert error.value.hint == "did you mean 'count'?"
    with pytest.raises(InputError) as error:
        bind(spec(), (("k", "7"),))
    assert error.value.hint == "it takes no parameters"


def test_a_required_parameter_must_be_said():
    needy = spec(Param("rate", "float", REQUIRED, "share of labels"))
    with pytest.raises(InputError, match=r"needs rate \(share of labels\)") as error:
        bind(needy, ())
    assert error.value.hint == "write thing:rate=..."
    assert bind(needy, (("rate", "0.25"),)).text() == "thing:rate=0.25"


# --- properties -----------------------------------------------------------------------------------------------------

FLOATS = st.floats(allow_nan=False, allow_infinity=False).map(lambda v: v + 0.0)  # -0.0 is never read
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "count": st.integers(),
        "rate": FLOATS,
        "flag": st.booleans(),
        "mode": st.text(min_size=1),
        "file": st.text(min_size=1),
        "sizes": st.lists(st.integers(), min_size=1).map(tuple),
        "values": st.lists(FLOATS, min_size=1).map(tuple),
    },
)


@settings(deadline=None)
@given(VALUES)
@example({"mode": '"'})
@example({"mode": '\\"'})
@example({"mode": "\\"})
@example({"mode": "a\\,b"})
@example({"mode": " "})
@example({"mode": "\n,"})
@example({"mode": "\\\n,"})
@example({"rate": 1e22, "values": (1e22, -5e-324)})
@example({"file": "x+1"})
def test_what_is_written_reads_back_as_the_same(values):
    defaults = {param.key: param.default for param in ALL.params}
    bound = Bound(ALL, defaults | values)
    again = rebound(bound)
    assert again == bound
    assert again.text() == bound.text()
    recipe = parse_recipe(f"ce:lr=1e+2+{bound.text()}+{bound.text()}+temperature")
    assert [piece.name for piece in recipe] == ["ce", "thing", "thing", "temperature"]
    assert bind(ALL, recipe[1].values) == bind(ALL, recipe[2].values) == bound


HOSTILE = st.text() | st.text(alphabet='abz01+-_:,;="\\ \n\té.', max_size=40)


@settings(deadline=None)
@given(HOSTILE)
def test_hostile_text_is_read_or_refused(text):
    for parse in (parse_recipe, parse_piece):
        with contextlib.suppress(InputError):
            parse(text)


@settings(deadline=None)
@given(HOSTILE, st.sampled_from([param.key for param in ALL.params]))
@example("9" * 400, "rate")
@example("9" * 5000, "sizes")
@example("1_0", "count")
def test_hostile_values_are_read_or_refused(text, key):
    with contextlib.suppress(InputError):
        bound = bind(ALL, ((key, text),))
        assert rebound(bound) == bound
        assert all(format_value(value) for value in bound.params.values())
