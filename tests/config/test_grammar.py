"""The grammar of names: which texts are read, which are refused, and that a written text reads back as the same."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from calibench import REQUIRED, InputError, NoiseSpec, Param
from calibench.config.grammar import Bound, Piece, bind, parse_list, parse_piece, parse_recipe
from calibench.config.values import format_value


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


def rebound(bound: Bound) -> Bound:
    """The text of `bound`, read and bound again."""
    piece = parse_piece(bound.text())
    assert piece.name == bound.name
    return bind(bound.spec, piece.values)


# --- parsing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("ce", [("ce", {})]),
        ("ce+temperature", [("ce", {}), ("temperature", {})]),
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
def test_recipes_that_are_read(text, pieces):
    assert parse_recipe(text) == tuple(Piece(name, tuple(values.items())) for name, values in pieces)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a name"),
        (" ", "'' is not a name"),
        ("+", "'' is not a name"),
        ("ce+", "'' is not a name"),
        ("ce++vtst", "'' is not a name"),
        ("ce+2stage", "'ce+2stage' is not a name"),
        ("1ce", "'1ce' is not a name"),
        (" ce + vtst : latent_dim = 64 ", "'vtst ' is not a name"),
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
def test_recipes_that_are_refused(text, message):
    with pytest.raises(InputError) as error:
        parse_recipe(text)
    assert message in error.value.message
    assert error.value.hint


# --- binding --------------------------------------------------------------------------------------------------------


def test_parameters_that_are_not_stated_have_their_default():
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


def test_an_unknown_key_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="noise 'thing' has no parameter 'cuont'") as error:
        bind(ALL, (("cuont", "7"),))
    assert error.value.hint == "did you mean 'count'?"
    with pytest.raises(InputError) as error:
        bind(spec(), (("k", "7"),))
    assert error.value.hint == "it takes no parameters"


def test_a_required_parameter_must_be_stated():
    demanding = spec(Param("rate", "float", REQUIRED, "share of labels"))
    with pytest.raises(InputError, match=r"needs rate \(share of labels\)") as error:
        bind(demanding, ())
    assert error.value.hint == "write thing:rate=..."
    assert bind(demanding, (("rate", "0.25"),)).text() == "thing:rate=0.25"


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
def test_a_written_text_reads_back_as_the_same(values):
    defaults = {param.key: param.default for param in ALL.params}
    bound = Bound(ALL, defaults | values)
    read_back = rebound(bound)
    assert read_back == bound
    assert read_back.text() == bound.text()
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


@pytest.mark.parametrize("names", [("nll", "brier"), ["nll"], 5])
def test_a_list_that_is_no_text_is_refused(names):
    with pytest.raises(InputError, match=f"names are a text, not a {type(names).__name__}"):
        parse_list(names)
