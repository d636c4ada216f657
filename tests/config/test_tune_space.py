"""The grammar of `--tune`: what it reads, how values are tried, and what it refuses."""

from __future__ import annotations

import pytest

from calibench import InputError
from calibench.config.resolve import resolve
from calibench.config.tune_space import Dimension, read_space, with_values


def space(text: str, recipe: str = "ce+vtst+temperature", **options: object) -> dict[str, Dimension]:
    return {dim.name: dim for dim in read_space(text, resolve(recipe, **options))}  # type: ignore[arg-type]


def test_choices_and_ranges_are_read_by_the_types_of_the_parameters() -> None:
    found = space("lr=log(1e-4, 1e-1), vtst.latent_dim=8|16|32, weight_decay=0..1e-2, ce.batch_size=16..64")
    assert found["vtst.latent_dim"].choices == (8, 16, 32)
    lr = found["ce.lr"]
    assert (lr.low, lr.high, lr.log, lr.whole) == (1e-4, 1e-1, True, False)
    assert (found["ce.weight_decay"].low, found["ce.weight_decay"].log) == (0.0, False)
    assert (found["ce.batch_size"].high, found["ce.batch_size"].whole) == (64, True)


def test_values_have_four_digits_and_stay_inside() -> None:
    lr = space("lr=log(1.00004e-4,0.1)")["ce.lr"]
    assert lr.value(0.0123456) == 0.01235
    assert lr.value(1.00004e-4) == 1.00004e-4
    assert space("ce.batch_size=16..64")["ce.batch_size"].value(17) == 17


def test_the_values_become_those_of_the_stages() -> None:
    config = with_values(resolve("ce+vtst"), {"ce.lr": 0.01, "vtst.latent_dim": 8})
    assert config.recipe == resolve("ce:lr=0.01+vtst:latent_dim=8").recipe
    assert config.document() == resolve("ce:lr=0.01+vtst:latent_dim=8").document()


def test_auto_takes_what_the_stages_declare() -> None:
    found = space("auto", "label-smoothing+vtst")
    assert found["label-smoothing.epsilon"].high == 1
    lr = found["label-smoothing.lr"]
    assert (lr.low, lr.high, lr.log) == (0.001 / 4, 0.001 * 4, True)
    assert found["vtst.latent_dim"].low == 32
    assert found["vtst.latent_dim"].high == 512
    assert not {"vtst.epochs", "vtst.select", "label-smoothing.epochs"} & set(found)
    assert "label-smoothing.lr" not in space("auto", "label-smoothing:lr=0.1+vtst")
    assert not [name for name in space("auto", "ce+temperature+threshold:target_risk=0.1") if name.startswith("thr")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names no parameter"),
        ("lr", "cannot read 'lr'"),
        ("lr=", "cannot read"),
        ("lr=0.1", "is one value"),
        ("lr=0.1|0.1", "is one value"),
        ("lr=0.1..0.01", "is empty"),
        ("lr=log(0,1)", "begins above 0"),
        ("lr=log(1e-4,x)", "is not a number"),
        ("lr=-1..1", "outside [0"),
        ("select=best|lats", "did you mean 'last'"),
        ("optimizer=adam..sgd", "is no number"),
        ("lrr=1..2", "did you mean 'lr'"),
        ("vtts.latent_dim=8|16", "did you mean 'vtst'"),
        ("vtst.latent=8|16", "did you mean 'latent_dim'"),
        ("mlp.dropout=0..0.5", "is no stage of this run"),
        ("lr=1..2, ce.lr=1..2", "is given twice"),
    ],
)
def test_mistakes_are_named(text: str, says: str) -> None:
    with pytest.raises(InputError) as raised:
        space(text)
    assert says in str(raised.value)
    assert raised.value.hint


def test_what_is_set_is_not_searched() -> None:
    with pytest.raises(InputError, match="set besides"):
        space("lr=1e-3|1e-2", "ce:lr=0.1")
    with pytest.raises(InputError, match="declare nothing to search"):
        space("auto", "ce:lr=0.1+temperature")
