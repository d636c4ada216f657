"""PostHoc: what calibrators and rules are fitted on, what is judged, and what a plugin's stage may do wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from short_runs import short_run

from calibench import Outputs, PluginError, RunError, evaluate, run
from calibench.config.resolve import resolve_chain
from calibench.outputs.outputs import ABSTAIN
from calibench.outputs.several_labels import round_to_float32
from calibench.recipe.posthoc import PostHoc
from calibench.records.store import read_predictions

RULE = "threshold:target_coverage=0.6,guarantee=none"
LABELS = torch.tensor([0, 1, 2, 0])


@pytest.fixture
def _hostile(install_plugin: Any) -> None:
    install_plugin("hostile")


def chain(recipe: str, num_classes: int = 3, **options: Any) -> PostHoc:
    return PostHoc(resolve_chain(recipe, ("calibrator", "decision"), "--fit"), num_classes, **options)


def test_the_temperature_is_fitted_on_cal_and_applied_to_test(blobs: str, tmp_path: Path) -> None:
    plain, scaled = short_run("ce", blobs, tmp_path), short_run("ce+temperature", blobs, tmp_path)
    temperature = scaled.fitted[-1]["temperature"]
    before, after = read_predictions(tmp_path, plain), read_predictions(tmp_path, scaled)
    np.testing.assert_allclose(after["test.logits"], before["test.logits"] / temperature, rtol=1e-6, atol=1e-7)
    logits, labels = torch.from_numpy(before["cal.logits"]).double(), torch.from_numpy(before["cal.labels"])
    grid = [float(torch.nn.functional.cross_entropy(logits / t, labels)) for t in np.geomspace(0.02, 50, 4001)]
    assert scaled.fitted[-1]["nll_after"] <= min(grid) + 1e-7
    assert scaled.fitted[-1]["nll_before"] == pytest.approx(
        float(torch.nn.functional.cross_entropy(logits, labels)), rel=1e-6
    )


# --- what is judged -------------------------------------------------------------------------------------------------


def test_rows_that_are_equal_after_rounding_get_the_same_decision() -> None:
    """Four sure rows, four that only float64 tells apart, two unsure ones; the rule wants to answer six of the ten."""
    logits = torch.zeros(10, 2, dtype=torch.float64)
    logits[:, 0] = torch.tensor([3, 3, 3, 3, 1, 1, 1, 1, 0.1, 0.1])
    logits[4:8, 0] += torch.arange(4, dtype=torch.float64) * 2e-7
    logits += 16  # where float32 holds steps of 2e-6
    outputs, labels = Outputs(logits), torch.zeros(10, dtype=torch.int64)
    rounded, exact = chain(RULE, 2, rounding=round_to_float32), chain(RULE, 2)
    answers = []
    for posthoc in (rounded, exact):
        posthoc.fit(outputs, labels)
        judged, decisions = posthoc.judged(outputs)
        assert judged.scores.dtype == (torch.float32 if posthoc is rounded else torch.float64)
        assert decisions is not None
        answers.append(decisions.answers.tolist())
    assert answers[0] == [0] * 8 + [ABSTAIN] * 2
    assert sorted(answers[1][4:8]) == [ABSTAIN, ABSTAIN, 0, 0], "without rounding the limit lies between the four"


@pytest.mark.slow
@pytest.mark.usefixtures("_hostile")
def test_a_run_and_evaluate_decide_alike_on_what_is_stored(tmp_path: Path) -> None:
    """`nudge` tells equal rows apart in float64 only: a rule fitted on that would split them at its limit."""
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=400)
    x = 16 + (2 * (rng.normal(size=(400, 3)) + 1.5 * np.eye(3)[y])).round().astype(np.float32) / 2
    np.savez(tmp_path / "ties.npz", train_x=x, train_y=y, head_weight=np.eye(3), head_bias=np.zeros(3))
    record = run(f"ce+nudge+{RULE}", f"npz:path={tmp_path / 'ties.npz'}", "frozen", results=tmp_path)
    stored = read_predictions(tmp_path, record)
    assert stored["test.logits"].dtype == stored["cal.logits"].dtype == np.float32
    again = evaluate(
        logits=stored["test.logits"],
        labels=stored["test.labels"],
        fit=RULE,
        fit_logits=stored["cal.logits"],
        fit_labels=stored["cal.labels"],
    )
    assert again.judged_after is not None
    np.testing.assert_array_equal(again.judged_after.decisions, stored["test.decisions"])
    assert again.after is not None
    assert again.after["metrics"] == record.metrics
    answers: dict[tuple[float, ...], set[bool]] = {}
    for row, decision in zip(stored["test.logits"], stored["test.decisions"], strict=True):
        uncertainty = tuple(np.sort(row - row.max()))
        answers.setdefault(uncertainty, set()).add(decision == ABSTAIN)
    assert all(len(kinds) == 1 for kinds in answers.values()), "equal scores lie on one side of the limit"
    assert {True, False} == set().union(*answers.values())


# --- a plugin's stage that fails ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_hostile")
@pytest.mark.parametrize("how", ["exit", "raise", "tensor", "none", "shape", "nan"])
def test_a_stage_that_fails_is_named_and_ends_as_a_failed_run(how: str) -> None:
    with pytest.raises(RunError, match="hostile"):
        chain(f"hostile:how={how}").fit(Outputs(torch.zeros(4, 3)), LABELS)


@pytest.mark.usefixtures("_hostile")
def test_a_stage_cannot_take_another_name_in_the_record() -> None:
    assert chain("hostile").fit(Outputs(torch.zeros(4, 3)), LABELS)[0]["stage"] == "hostile"


@pytest.mark.usefixtures("_hostile")
def test_a_target_of_another_kind_is_refused_before_training() -> None:
    with pytest.raises(PluginError, match="wants a Calibrator, its target makes a NoCalibrator"):
        chain("no-calibrator")


@pytest.mark.usefixtures("_hostile")
def test_outputs_that_are_nan_never_reach_a_record(scores: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="NaN"):
        run("nan-head:epochs=1", scores, "frozen", results=tmp_path)
    assert list((tmp_path / "records").iterdir()) == []


@pytest.mark.usefixtures("_hostile")
@pytest.mark.parametrize(
    ("how", "place"), [("writes-scores", "scores"), ("writes-labels", "labels"), ("writes-apply", "scores")]
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_a_stage_that_changes_its_inputs_in_place_is_named(how: str, place: str, dtype: torch.dtype) -> None:
    """Through torch or through numpy: another stage would read something else than was stored."""
    outputs = Outputs(torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).to(dtype))
    posthoc = chain(f"hostile:how={how}")
    with pytest.raises(RunError, match=f"'hostile' changes its input {place} in place") as caught:
        posthoc.fit(outputs, LABELS.clone())
    assert caught.value.hint == f"correct the plugin: let it change a copy, {place}.clone()"


@pytest.mark.usefixtures("_hostile")
def test_a_refit_that_changes_the_features_is_named(blobs: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="'scaling' changes its input val_features in place"):
        short_run("ce+scaling", blobs, tmp_path)
