"""Metrics by name: the default set, lists with parameters, and any number of bins."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calibench.errors import InputError
from calibench.metrics.bootstrap import multiplicities
from calibench.metrics.judged import Judged
from calibench.metrics.label_draws import draw_labels
from calibench.metrics.load import load_metrics
from calibench.outputs.outputs import Outputs
from calibench.outputs.several_labels import yes_no_outputs


def evaluate(metrics: str) -> dict[str, float]:
    rng = np.random.default_rng(0)
    judged = Judged(Outputs(torch.tensor(rng.normal(size=(200, 4)))), torch.tensor(rng.integers(0, 4, 200)))
    return {
        name: metric.value(judged) for name, (spec, metric) in load_metrics(metrics).items() if not spec.needs_decision
    }


def test_the_default_set_is_without_the_optional_ones() -> None:
    names = set(load_metrics())
    assert {"accuracy", "nll", "brier", "ece15"} <= names
    assert "smece" not in names
    assert names < set(load_metrics("all"))


def test_metrics_are_those_that_are_named_in_their_order() -> None:
    assert list(evaluate("brier,accuracy")) == ["brier", "accuracy"]
    assert list(load_metrics("smece,default"))[:2] == ["smece", "accuracy"]


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


@pytest.mark.slow
def test_the_command_takes_metrics(cli, refused, tmp_path) -> None:
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "t.npz", logits=rng.normal(size=(100, 3)), labels=rng.integers(0, 3, 100))
    assert list(cli("evaluate", "t.npz", "--metrics", "brier,ece:bins=20", "--json").document["metrics"]) == [
        "brier",
        "ece20",
    ]
    assert "ece20 %" in cli("evaluate", "t.npz", "--metrics", "brier,ece20").out
    refused("evaluate", "t.npz", "--metrics", "breir", says="there is no metric called 'breir'", hint="brier")


@pytest.mark.slow
@pytest.mark.parametrize("case", ["three classes", "two classes", "several labels", "soft labels"])
def test_no_metric_disturbs_another(case: str) -> None:
    """Metrics share what they compute under keys: two contents under one key made `ks` fail beside `ece_equal_mass15`."""
    rng = np.random.default_rng(3)
    k = 2 if case == "two classes" else 3
    logits, labels = torch.tensor(np.round(rng.normal(size=(150, k)), 1)), torch.tensor(rng.integers(0, k, 150))
    outputs, soft = Outputs(logits), rng.dirichlet(np.ones(3), 150) if case == "soft labels" else None
    if case == "several labels":
        outputs, labels = yes_no_outputs(logits), torch.tensor(rng.integers(0, 2, 450))

    def fresh() -> Judged:
        return Judged(outputs, labels, soft=soft)

    weights = np.repeat(next(multiplicities(150, 3, seed=0)), len(outputs) // 150, axis=1)
    correct, drawn = next(draw_labels(fresh(), 3, 0))
    shared, count = fresh(), 0
    for name, (spec, metric) in load_metrics("all").items():
        if spec.needs_decision or not metric.applies(shared):
            continue
        figures = []
        for judged in (shared, fresh()):
            floor = metric.floor_draws(judged, correct, drawn)
            figures.append(
                [metric.value(judged), *metric.resampled(judged, weights), *(() if floor is None else floor)]
            )
        np.testing.assert_array_equal(*figures, err_msg=name)
        assert repr(metric.details(shared)) == repr(metric.details(fresh())), name
        count += 1
    assert count > 25
