"""`cost` against a loop over decisions, and its matrix file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from decision_cases import cost_file, logits_and_labels

from calibench import InputError, Outputs, run
from calibench.config.resolve import resolve
from calibench.metrics.judged import Judged
from calibench.metrics.mean_cost import MeanCost
from calibench_methods.decisions.cost import Cost


def cheapest(p: np.ndarray, costs: np.ndarray) -> int:
    """The decision of least expected cost for one row of probabilities; -1 for the column after the classes."""
    expected = [sum(p[k] * costs[k, d] for k in range(len(p))) for d in range(costs.shape[1])]
    least = expected.index(min(expected))
    return -1 if least == len(p) else least


@pytest.mark.parametrize("width", [4, 5])
def test_the_decision_is_the_cheapest_and_the_metric_its_mean_cost(tmp_path: Path, width: int) -> None:
    costs = np.random.default_rng(2).normal(size=(4, 5)).round(3)[:, :width]
    rule = Cost(cost_file(tmp_path, "\n".join(",".join(map(str, row)) for row in costs)))
    rule.check(4)
    logits, labels = logits_and_labels(200, 4, seed=3)
    probs = logits.softmax(1).numpy()
    decisions = rule.decide(Outputs(logits), {})
    answers = [cheapest(p, costs) for p in probs]
    assert decisions.answers.tolist() == answers
    assert width == 4 or 0 < answers.count(-1) < 200
    columns = [4 if answer == -1 else answer for answer in answers]
    judged = Judged(Outputs(logits), labels, decisions)
    assert MeanCost().value(judged) == pytest.approx(costs[labels, columns].mean(), abs=1e-12)
    details = MeanCost().details(judged)
    assert details["most_probable"] == pytest.approx(costs[labels, probs.argmax(1)].mean(), abs=1e-12)
    expected = np.mean([p @ costs[:, column] for p, column in zip(probs, columns, strict=True)])
    assert details["expected"] == pytest.approx(expected, abs=1e-12)
    assert details["abstaining"] == (None if width == 4 else pytest.approx(costs[labels, 4].mean()))


def test_chows_rule_is_a_special_case_and_ties_go_to_the_lowest_class(tmp_path: Path) -> None:
    """Errors cost 1 and abstention 0.25: the rule abstains below a confidence of 0.75 and answers from 0.75 on."""
    rule = Cost(cost_file(tmp_path, "# true a, b\n0, 1, 0.25\n\n1, 0, 0.25\n"))
    probs = torch.tensor([[0.75, 0.25], [0.5, 0.5], [0.1, 0.9], [0.74, 0.26]], dtype=torch.float64)
    assert rule.decide(Outputs(probs, from_probs=True), {}).answers.tolist() == [0, -1, 1, -1]
    even = Cost(cost_file(tmp_path, "0,1,1\n1,0,1\n")).decide(Outputs(torch.full((1, 2), 0.5), from_probs=True), {})
    assert even.answers.tolist() == [0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,1\n1,0,1\n", "line 2 has 3 numbers, and the first line has 2"),
        ("a,b\n0,1\n", "line 1: 'a' is not a finite number"),
        ("0,inf\n1,0\n", "'inf' is not a finite number"),
        ("\n# nothing\n", "contains no numbers"),
        ("0,1\n1,0\n", "2 x 2 numbers for 3 classes"),
        ("0,1,2,3,4\n" * 3, "3 x 5 numbers for 3 classes"),
    ],
)
def test_a_bad_matrix_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Cost(cost_file(tmp_path, text)).check(3)


def test_a_missing_matrix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        Cost(str(tmp_path / "none.csv"))
    with pytest.raises(InputError, match="needs matrix"):
        resolve("ce+cost")


@pytest.mark.slow
def test_evaluate_with_a_cost_matrix(
    cli: Callable[..., Any], refused: Callable[..., str], tmp_path: Path, two_files: Callable[..., None]
) -> None:
    two_files(600)
    cost_file(tmp_path, "0,1,1,0.2\n5,0,1,0.2\n1,1,0,0.2\n")
    after = cli("evaluate", "test.npz", "--fit", "cost:matrix=cost.csv", "--json").document["after"]
    assert after["metrics"]["mean_cost"] <= after["details"]["mean_cost"]["most_probable"]
    assert after["intervals"]["mean_cost"][0] <= after["metrics"]["mean_cost"]
    refused("evaluate", "test.npz", "--fit", "cost:matrix=none.csv", says="there is no file")


@pytest.mark.usefixtures("features")
def test_a_changed_matrix_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    matrix = cost_file(tmp_path, "0,1,1,0.2\n1,0,1,0.2\n1,1,0,0.2\n")
    recipe = f"ce+cost:matrix={matrix}"
    first = run(recipe, "npz:path=features.npz", "frozen", results=tmp_path / "r")
    assert run(recipe, "npz:path=features.npz", "frozen", results=tmp_path / "r") == first
    cost_file(tmp_path, "0,1,1,0\n1,0,1,0\n1,1,0,0\n")
    second = run(recipe, "npz:path=features.npz", "frozen", results=tmp_path / "r")
    changed = [record.metrics["coverage"] for record in (first, second)]
    assert (changed[0], first.metrics["mean_cost"]) != (changed[1], second.metrics["mean_cost"])
    assert second.metrics["mean_cost"] == 0
