"""Metrics by name: the default set, lists with parameters, and any number of bins."""

from __future__ import annotations

import numpy as np
import pytest

import calibench
from calibench.errors import InputError
from calibench.metrics.load import load_metrics


def evaluate(metrics: str | None) -> dict[str, float | None]:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(200, 4))
    return calibench.evaluate(logits, rng.integers(0, 4, 200), metrics=metrics).metrics


def test_the_default_set_is_without_the_optional_ones() -> None:
    names = set(load_metrics())
    assert {"accuracy", "nll", "brier", "ece15"} <= names
    assert "smece" not in names
    assert names < set(load_metrics("all"))


def test_metrics_are_those_that_are_named_in_their_order() -> None:
    assert list(evaluate("brier,accuracy")) == ["brier", "accuracy"]
    assert list(evaluate("smece,default"))[:2] == ["smece", "accuracy"]


@pytest.mark.parametrize("name", ["ece20", "ece:bins=20"])
def test_a_number_of_bins_is_part_of_the_name_or_a_parameter(name: str) -> None:
    figures = evaluate(f"{name},ece15,brier")
    assert list(figures) == ["ece20", "ece15", "brier"]
    assert figures["ece20"] != figures["ece15"]
    assert evaluate("ece:bins=15") == {"ece15": figures["ece15"]}


def test_parameters_belong_to_the_name_before_them() -> None:
    names = list(load_metrics("rms_ce:bins=mass,size=50,brier,tace:bins=20,threshold=0.05,nll"))
    assert names == ["rms_ce:size=50", "brier", "tace20:threshold=0.05", "nll"]


@pytest.mark.parametrize(
    ("names", "message", "hint"),
    [
        ("ecce", "there is no metric called 'ecce'", "did you mean 'ecce15'|ece"),
        ("ece:bin=3", "has no parameter 'bin'", "bins"),
        ("ece15:bins=3", "'ece15' has no parameter 'bins'", "takes no parameters"),
        ("ece0", "bins=0 is outside", ""),
        ("", "is not a name", ""),
        ("brier:", "is not key=value", ""),
    ],
)
def test_mistakes_are_named(names: str, message: str, hint: str) -> None:
    with pytest.raises(InputError, match=message):
        load_metrics(names)


def test_the_command_takes_metrics(cli, refused, tmp_path) -> None:
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "t.npz", logits=rng.normal(size=(100, 3)), labels=rng.integers(0, 3, 100))
    assert list(cli("evaluate", "t.npz", "--metrics", "brier,ece:bins=20", "--json").document["metrics"]) == [
        "brier",
        "ece20",
    ]
    assert "ece20 %" in cli("evaluate", "t.npz", "--metrics", "brier,ece20").out
    refused("evaluate", "t.npz", "--metrics", "breir", says="there is no metric called 'breir'", hint="brier")
