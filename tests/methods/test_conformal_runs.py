"""`conformal` in a recipe: after calibrators, in the record, from the command line."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from decision_cases import logits_and_labels, overconfident_probs, post_hoc
from scipy import stats

from calibench import InputError, Outputs, RunError
from calibench.evaluation.judge import judge
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics
from calibench.metrics.set_coverage import SetCoverage
from calibench.metrics.set_size import SetSize
from calibench.outputs.decisions import Decisions
from calibench.records.store import read_predictions, read_records
from calibench_methods.decisions.conformal import Conformal

FROZEN = ("-d", "npz:path=features.npz", "--model", "frozen", "--json")


def decisions_of(recipe: str, cal: tuple[torch.Tensor, torch.Tensor], test: torch.Tensor) -> Decisions:
    """The decisions for `test` of a chain that is fitted on cal."""
    chain = post_hoc(recipe, cal[0].shape[1])
    chain.fit(Outputs(cal[0], True), cal[1])
    decisions = chain.decide(chain.apply(Outputs(test, True)))
    assert decisions is not None
    return decisions


@pytest.mark.slow
@pytest.mark.parametrize("calibrator", ["temperature", "isotonic"])
def test_a_calibrator_in_the_recipe_does_not_break_the_guarantee(calibrator: str) -> None:
    """Fitted on the samples of the quantile, isotonic would cover 83 % of CIFAR-100 in place of 90 %."""
    probs, labels = overconfident_probs(8000, 8, seed=9)
    rng = np.random.default_rng(1)
    missed, above_target = [], 0
    for _ in range(40):
        rows = torch.tensor(rng.permutation(8000))
        cal, test = rows[:300], rows[300:]
        fitted_on = probs[cal], labels[cal]
        sets = decisions_of(f"{calibrator}+conformal", fitted_on, probs[test]).sets
        assert sets is not None
        missed.append(1 - float(sets.gather(1, labels[test][:, None]).double().mean()))
        answers = decisions_of(f"{calibrator}+threshold:target_risk=0.2", fitted_on, probs[test]).answers
        above_target += bool((answers != labels[test])[answers >= 0].double().mean() > 0.2)
    spread = stats.beta(136, 15).std()  # the coverage given 150 samples is at least a Beta(136, 15)
    assert np.mean(missed) < 1 - 136 / 151 + 3.3 * spread / math.sqrt(40)
    assert above_target <= stats.binom.ppf(0.999, 40, 0.05)


@pytest.mark.parametrize(
    ("calibrator", "n", "first"), [("temperature", 301, 61), ("temperature", 101, 51), ("isotonic", 301, 151)]
)
def test_a_guarantee_gives_a_fifth_of_cal_to_temperature_and_half_to_other_maps(
    calibrator: str, n: int, first: int
) -> None:
    probs, labels = overconfident_probs(n, 4, seed=1)
    torch.manual_seed(3)
    mapped, conformal = post_hoc(f"{calibrator}+conformal", 4).fit(Outputs(probs, True), labels)
    torch.manual_seed(3)
    order = torch.randperm(n)
    fresh, rest = order[: n - first], order[n - first :]
    chain = post_hoc(calibrator, 4)
    [on_rest] = chain.fit(Outputs(probs[rest], True), labels[rest])
    assert mapped == on_rest
    assert conformal["n_scores"] == conformal["fresh_samples"] == n - first
    assert conformal["calibrator_samples"] == first
    assert conformal["cal_split"] == ("fifth" if first == 61 else "half")
    assert conformal["quantile"] == Conformal().fit(chain.apply(Outputs(probs[fresh], True)), labels[fresh])["quantile"]
    with pytest.raises(RunError, match="cannot be shared"):
        post_hoc(f"{calibrator}+conformal", 4).fit(Outputs(probs[:1], True), labels[:1])


def test_where_a_fifth_has_no_temperature_half_is_tried() -> None:
    """All but a few samples are answered right, so that the NLL of a fifth may fall without end as T falls."""
    y = torch.arange(300) % 4
    logits = 3.0 * torch.eye(4, dtype=torch.float64)[y] + 0.1 * torch.rand(300, 4, dtype=torch.float64)
    torch.manual_seed(3)
    order = torch.randperm(300)
    logits[order[150:235]] = logits[order[150:235]].flip(1)  # wrong in the half, and never in the fifth
    torch.manual_seed(3)
    fitted = post_hoc("temperature+conformal", 4).fit(Outputs(logits), y)
    assert (fitted[1]["cal_split"], fitted[1]["calibrator_samples"], fitted[1]["fresh_samples"]) == ("half", 150, 150)
    [on_half] = post_hoc("temperature", 4).fit(Outputs(logits[order[150:]]), y[order[150:]])
    assert fitted[0]["temperature"] == on_half["temperature"]
    torch.manual_seed(3)
    with pytest.raises(RunError, match="still falls"):
        post_hoc("temperature+conformal:cal_split=fifth", 4).fit(Outputs(logits), y)


def test_cross_fitting_uses_all_of_cal_twice_and_says_that_the_guarantee_is_approximate() -> None:
    probs, labels = overconfident_probs(103, 4, seed=1)
    torch.manual_seed(3)
    temperature, conformal = post_hoc("temperature+conformal:cal_split=cross-fit", 4).fit(Outputs(probs, True), labels)
    [on_all] = post_hoc("temperature", 4).fit(Outputs(probs, True), labels)
    assert temperature == on_all
    torch.manual_seed(3)
    scores = np.empty(103)
    for fold in np.split(torch.randperm(103).numpy(), [20, 41, 61, 82]):
        rest = np.setdiff1d(np.arange(103), fold)
        chain = post_hoc("temperature", 4)
        chain.fit(Outputs(probs[rest], True), labels[rest])
        p = chain.apply(Outputs(probs[fold], True)).probs().numpy()
        scores[fold] = 1 - p[np.arange(len(fold)), labels[fold]]
    assert conformal["quantile"] == pytest.approx(np.sort(scores)[conformal["rank"] - 1], abs=1e-12)
    assert (conformal["n_scores"], conformal["folds"], conformal["cal_split"]) == (103, 5, "cross-fit")
    assert "approximate" in conformal["note"]


@pytest.mark.parametrize(
    "rule",
    [
        "threshold:target_risk=0.2",
        "threshold:target_recall=0.8",
        "threshold:target_risk=0.2,score=entropy",
        "conformal",
    ],
)
def test_two_classes_need_no_split_with_temperature_because_no_answer_depends_on_it(rule: str) -> None:
    """The decisions are those of the rule alone, whose guarantee is exact; with isotonic they would not be."""
    rng = np.random.default_rng(0)
    y = torch.tensor(rng.integers(2, size=400))
    logits = torch.tensor(rng.normal(size=(400, 2)) * 3) + 3 * torch.eye(2)[y]
    cal, test = (logits[:200], y[:200]), logits[200:]
    chain, alone = post_hoc(f"temperature+{rule}", 2), post_hoc(rule, 2)
    fitted, _ = chain.fit(Outputs(cal[0]), cal[1])[1], alone.fit(Outputs(cal[0]), cal[1])
    assert fitted["cal_split"] == "all"
    a, b = chain.decide(chain.apply(Outputs(test))), alone.decide(Outputs(test))
    assert a is not None
    assert b is not None
    assert torch.equal(a.answers, b.answers)
    assert len(set(a.answers.tolist())) > 1
    assert post_hoc(f"isotonic+{rule}", 2).fit(Outputs(cal[0]), cal[1])[1]["cal_split"] == "half"


def test_pnorm_of_logits_is_free_of_the_temperature_for_any_number_of_classes() -> None:
    logits, labels = logits_and_labels(1000, 4, seed=2)
    outputs = Outputs(logits + 4 * torch.eye(4)[labels])
    rule = "threshold:target_risk=0.02,score=max-logit-pnorm"
    chain, alone = post_hoc(f"temperature+{rule}", 4), post_hoc(rule, 4)
    assert chain.fit(outputs, labels)[1]["cal_split"] == "all"
    alone.fit(outputs, labels)
    a, b = chain.decide(chain.apply(outputs)), alone.decide(outputs)
    assert a is not None
    assert b is not None
    assert torch.equal(a.answers, b.answers)
    assert 0 < int((a.answers >= 0).sum()) < 1000


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("conformal:cal_split=fifth", "does nothing without a calibrator"),
        ("temperature+threshold:value=0.6,cal_split=half", "there is no guarantee"),
        ("temperature+threshold:target_risk=0.2,score=max-logit-pnorm,cal_split=half", "changes no answer"),
    ],
)
def test_an_idle_split_is_refused(recipe: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        post_hoc(recipe, 4)


@pytest.mark.parametrize(
    "rule", ["threshold:value=0.6", "threshold:metric=f1", "threshold:target_risk=0.2,guarantee=none"]
)
def test_a_rule_without_a_guarantee_does_not_share_cal(rule: str) -> None:
    probs, labels = overconfident_probs(101, 4, seed=1)
    [on_all] = post_hoc("temperature", 4).fit(Outputs(probs, True), labels)
    fitted = post_hoc(f"temperature+{rule}", 4).fit(Outputs(probs, True), labels)
    assert fitted[0]["temperature"] == on_all["temperature"]
    assert "cal_split" not in fitted[-1]


def test_the_metrics_of_sets() -> None:
    sets = torch.tensor([[1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 0]]).bool()
    probs = Outputs(torch.full((5, 3), 1 / 3, dtype=torch.float64), True)
    decisions = Decisions(torch.tensor([-1, -1, -1, 1, 0]), sets=sets, targets={"set_coverage": 0.5})
    judged = Judged(probs, torch.tensor([1, 0, 0, 1, 1]), decisions)
    assert SetCoverage().value(judged) == 3 / 5
    assert SetSize().value(judged) == 7 / 5
    assert SetSize().details(judged) == {"empty": 0.2, "single": 0.4, "all": 0.2, "median": 1.0, "largest": 3}
    details = SetCoverage().details(judged)
    assert details["per_class"] == [0.5, pytest.approx(2 / 3), None]
    assert (details["target"], details["reached"]) == (0.5, True)
    for k, hits, n in ((0, 1, 2), (1, 2, 3)):
        exact = stats.binomtest(hits, n).proportion_ci(0.95, method="exact")
        assert details["per_class_low"][k] == pytest.approx(exact.low, abs=1e-9)
        assert details["per_class_high"][k] == pytest.approx(exact.high, abs=1e-9)
    with pytest.raises(InputError, match="no sets to judge"):
        SetSize().value(Judged(probs, torch.tensor([1, 0, 0, 1, 1])))


def test_a_rule_without_sets_has_no_metrics_of_sets() -> None:
    probs, labels = overconfident_probs(50, 3, seed=0)
    evaluation = judge(Judged(Outputs(probs, True), labels, Decisions(probs.argmax(dim=1))), load_metrics())
    assert "selective_risk" in evaluation.metrics
    assert not {"set_coverage", "set_size", "mean_cost"} & set(evaluation.metrics)


@pytest.mark.usefixtures("features")
def test_a_run_stores_its_sets_and_their_coverage(cli: Callable[..., Any], tmp_path: Path) -> None:
    document = cli("run", "--method", "ce+temperature+conformal:alpha=0.1", *FROZEN).document
    [record] = read_records(tmp_path / "results")
    predictions = read_predictions(tmp_path / "results", record)
    sets, labels = predictions["test.sets"], predictions["test.labels"]
    assert (sets.dtype, sets.shape) == (bool, (120, 3))
    assert document["metrics"]["set_coverage"] == pytest.approx(sets[np.arange(120), labels].mean())
    assert document["metrics"]["set_size"] == pytest.approx(sets.sum(axis=1).mean())
    answers = np.where(sets.sum(axis=1) == 1, sets.argmax(axis=1), -1)
    np.testing.assert_array_equal(predictions["test.decisions"], answers)
    assert document["fitted"][-1]["at_least"] >= 0.9
    details = document["details"]["set_coverage"]
    assert details["target"] == 0.9
    assert details["reached"] == (document["metrics"]["set_coverage"] >= 0.9)
    low, high = document["intervals"]["set_coverage"]
    assert low <= document["metrics"]["set_coverage"] <= high
    n = len(predictions["cal.labels"])
    assert document["fitted"][-1]["fresh_samples"] == (n * 4 // 5 if n >= 250 else n // 2)


@pytest.mark.usefixtures("features")
def test_the_quantile_is_that_of_the_stored_cal_split(cli: Callable[..., Any], tmp_path: Path) -> None:
    """The rule is fitted in the precision of the stored predictions."""
    document = cli("run", "--method", "ce+conformal", *FROZEN).document
    [record] = read_records(tmp_path / "results")
    predictions = read_predictions(tmp_path / "results", record)
    z = predictions["cal.logits"].astype(np.float64)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    scores = np.sort(1 - p[np.arange(len(p)), predictions["cal.labels"]])
    assert document["fitted"][-1]["quantile"] == pytest.approx(scores[math.ceil(0.9 * (len(p) + 1)) - 1], abs=1e-12)


@pytest.mark.usefixtures("features")
def test_random_sets_depend_on_the_seed_only(cli: Callable[..., Any]) -> None:
    recipe = "ce+conformal:method=aps,alpha=0.2"
    first = cli("run", "-m", recipe, *FROZEN, "--results", "a").document
    again = cli("run", "-m", recipe, *FROZEN, "--results", "b").document
    other_seed = cli("run", "-m", recipe, *FROZEN, "--results", "c", "-s", "1").document
    assert first["metrics"] == again["metrics"]
    assert first["fitted"] == again["fitted"]
    assert first["fitted"] != other_seed["fitted"]


def test_evaluate_needs_samples_to_fit_on(
    cli: Callable[..., Any], refused: Callable[..., str], two_files: Callable[..., None]
) -> None:
    two_files(300)
    refused("evaluate", "test.npz", "--fit", "conformal:alpha=0.1", says="needs samples to fit on", hint="--fit-on")
    fit = "temperature+conformal:method=raps,alpha=0.1,k_reg=1"
    after = cli("evaluate", "test.npz", "--fit", fit, "--fit-on", "val.npz", "--json").document["after"]
    assert 0.75 < after["metrics"]["set_coverage"] <= 1
    assert len(after["details"]["set_coverage"]["per_class_low"]) == 3
