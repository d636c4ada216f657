"""`prior-correction` against closed forms and against the papers' formulas written anew; its estimates in records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from calibrator_cases import calibrated, calibrator, fit, softmax
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from calibench import InputError, Outputs, RunError, evaluate, run
from calibench.config.resolve import resolve_chain
from calibench.recipe.posthoc import PostHoc

Array = np.ndarray

MEANS = np.array([[0.0, 0], [2, 0], [0, 2]])
"""Of three Gaussian classes with unit covariance."""

SOURCE, TARGET = np.array([0.6, 0.3, 0.1]), np.array([0.1, 0.2, 0.7])


def drawn(shares: Array, n: int, seed: int = 0) -> tuple[Array, Array]:
    """Rows `[n, 2]` of the Gaussian classes, and their labels."""
    rng = np.random.default_rng(seed)
    y = rng.choice(len(shares), size=n, p=shares)
    return MEANS[y] + rng.normal(size=(n, 2)), y


def posterior_logits(x: Array, shares: Array) -> Array:
    """The logits of the true posterior if classes have these shares."""
    return x @ MEANS.T - (MEANS**2).sum(axis=1) / 2 + np.log(shares)


def outputs_of(x: Array, shares: Array) -> Outputs:
    return Outputs(torch.from_numpy(posterior_logits(x, shares)))


def text_of(shares: Array) -> str:
    return ";".join(map(repr, shares.tolist()))


def posterior(x: Array, shares: Array) -> Array:
    return softmax(posterior_logits(x, shares))


# --- stated shares: the closed form of Gaussian classes -------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1])
def test_the_posterior_of_other_shares_is_exact(seed: int) -> None:
    x, y = drawn(SOURCE, 400, seed)
    cal, labels = outputs_of(x, SOURCE), torch.from_numpy(y)
    mapped = calibrated(f"prior-correction:source={text_of(SOURCE)},prior={text_of(TARGET)}", cal, labels)
    np.testing.assert_allclose(mapped, posterior(x, TARGET), rtol=1e-12)
    counted = np.bincount(y) / len(y)
    from_cal = calibrated(f"prior-correction:prior={text_of(TARGET)}", outputs_of(x, counted), labels)
    np.testing.assert_allclose(from_cal, posterior(x, TARGET), rtol=1e-12)
    from_uniform = calibrated("prior-correction:source=uniform,prior=cal", outputs_of(x, np.full(3, 1 / 3)), labels)
    np.testing.assert_allclose(from_uniform, posterior(x, counted), rtol=1e-12)
    to_uniform = calibrated("prior-correction:prior=uniform", outputs_of(x, counted), labels)
    np.testing.assert_allclose(to_uniform, posterior(x, np.full(3, 1 / 3)), rtol=1e-12)


def test_probabilities_in_place_of_logits_and_binary_odds() -> None:
    """Two classes: odds are multiplied by the ratio of the prior's odds to the source's (Elkan 2001, theorem 2)."""
    p = np.linspace(0.01, 0.99, 50)
    outputs = Outputs(torch.from_numpy(np.stack([1 - p, p], axis=1)), from_probs=True)
    mapped = calibrated("prior-correction:source=0.9;0.1,prior=0.6;0.4", outputs, torch.arange(50) % 2)[:, 1]
    np.testing.assert_allclose(mapped / (1 - mapped), p / (1 - p) * (0.4 / 0.6) / (0.1 / 0.9), rtol=1e-12)


def test_source_fit_undoes_weights_that_nobody_knows() -> None:
    """Probabilities of other shares are traced back to them, and mapped to those of cal, without a scale."""
    x, y = drawn(SOURCE, 40_000)
    implied = np.array([0.2, 0.3, 0.5])
    _, fitted = fit("prior-correction:source=fit,prior=cal", outputs_of(x, implied), torch.from_numpy(y))
    np.testing.assert_allclose(fitted["source"], implied, rtol=0.05)
    corrected = calibrated("prior-correction:source=fit,prior=cal", outputs_of(x, implied), torch.from_numpy(y))
    # First-order conditions of the biases: the mean probability of each class is its share.
    np.testing.assert_allclose(corrected.mean(axis=0), np.bincount(y) / len(y), atol=1e-5)
    np.testing.assert_allclose(fitted["shares"], np.bincount(y) / len(y), rtol=1e-12)


# --- EM -------------------------------------------------------------------------------------------------------------


def em(probs: Array, source: Array, steps: int) -> Array:
    """Saerens et al. 2002, equations 2.9 and 2.10, as a loop from the source shares."""
    shares = source.copy()
    for _ in range(steps):
        weighted = probs * shares / source
        shares = (weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_em_ends_at_the_fixed_point_of_the_paper(seed: int) -> None:
    cal_x, y = drawn(SOURCE, 2000, seed)
    x, truth = drawn(TARGET, 2000, seed + 10)
    stage, fitted = fit(
        f"prior-correction:method=em,source={text_of(SOURCE)}", outputs_of(cal_x, SOURCE), torch.from_numpy(y)
    )
    outputs = outputs_of(x, SOURCE)
    shares = np.array(stage.adapt(outputs, fitted)["shares"])
    np.testing.assert_allclose(shares, em(posterior(x, SOURCE), SOURCE, 2000), atol=1e-6)
    np.testing.assert_allclose(shares, np.bincount(truth) / len(truth), atol=0.04)
    mapped = stage.apply(outputs, fitted).probs().numpy()
    np.testing.assert_allclose(mapped, posterior(x, shares), rtol=1e-9)
    np.testing.assert_allclose(mapped.mean(axis=0), shares, atol=1e-6)  # the fixed point
    assert -np.log(mapped[np.arange(2000), truth]).mean() < -np.log(posterior(x, SOURCE)[np.arange(2000), truth]).mean()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 200),
    k=st.integers(2, 12),
    scale=st.sampled_from([0.1, 1.0, 8.0, 300.0]),
)
def test_no_shares_are_likelier_than_those_of_em(seed: int, n: int, k: int, scale: float) -> None:
    """The likelihood is concave, so its derivative towards every class decides: none exceeds 1, and the floor is the rest."""
    rng = np.random.default_rng(seed)
    z, source = rng.normal(size=(n, k)) * scale, rng.dirichlet(np.ones(k)) * 0.9 + 0.1 / k
    stage = calibrator(f"prior-correction:method=em,source={text_of(source / source.sum())}")
    fitted = {"source": (source / source.sum()).tolist()}
    shares = np.array(stage.adapt(Outputs(torch.from_numpy(z)), fitted)["shares"])
    assert shares.sum() == pytest.approx(1)
    assert shares.min() >= 1 / (n + k) / (1 + k / (n + k)) - 1e-12
    ratios = softmax(z) / source
    likelihood = np.log(ratios @ shares).mean()
    best = np.log(ratios @ em(softmax(z), source / source.sum(), 3000)).mean()
    floored = np.maximum(em(softmax(z), source / source.sum(), 3000), 1 / (n + k))
    assert likelihood >= np.log(ratios @ (floored / floored.sum())).mean() - 1e-6
    assert likelihood <= best + 1e-6


def test_without_a_shift_nothing_changes() -> None:
    """After bias correction the mean probability on cal is the share of each class, so EM on cal itself finds these shares."""
    x, y = drawn(SOURCE, 3000)
    cal, labels = outputs_of(x, SOURCE), torch.from_numpy(y)
    stage, fitted = fit("prior-correction", cal, labels)
    np.testing.assert_allclose(stage.adapt(cal, fitted)["shares"], fitted["source"], atol=1e-6)
    stage, fitted = fit("prior-correction:method=bbse-soft", cal, labels)
    np.testing.assert_allclose(stage.adapt(cal, fitted)["shares"], fitted["source"], rtol=1e-9)
    np.testing.assert_allclose(stage.apply(cal, fitted).probs(), cal.probs(), rtol=1e-9)
    stage, fitted = fit("prior-correction:method=bbse", cal, labels)
    np.testing.assert_allclose(stage.adapt(cal, fitted)["shares"], fitted["source"], rtol=1e-9)


def test_bcts_em_is_the_papers_fit_and_then_em() -> None:
    """The fit written anew: L-BFGS on 1/T and b without a penalty (Alexandari et al., section 3)."""
    cal_x, y = drawn(SOURCE, 3000)
    x, _ = drawn(TARGET, 3000, 1)
    distorted = 2.5 * posterior_logits(cal_x, np.array([0.2, 0.3, 0.5]))

    def loss(theta: Array) -> float:
        return float(-np.log(softmax(theta[0] * distorted + theta[1:])[np.arange(len(y)), y]).mean())

    theta = minimize(loss, np.r_[1.0, np.zeros(3)], method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9}).x
    _, fitted = fit("prior-correction:method=bcts-em", Outputs(torch.from_numpy(distorted)), torch.from_numpy(y))
    assert fitted["temperature"] == pytest.approx(1 / theta[0], rel=1e-4)
    np.testing.assert_allclose(np.diff(fitted["bias"]), np.diff(theta[1:]), atol=1e-4)
    assert fitted["nll_after"] == pytest.approx(loss(theta), abs=1e-9)
    assert fitted["nll_before"] == pytest.approx(loss(np.array([1.0, 0, 0, 0])), abs=1e-12)
    test_logits = 2.5 * posterior_logits(x, np.array([0.2, 0.3, 0.5]))
    corrected = softmax(theta[0] * test_logits + theta[1:])
    expected = em(corrected, np.bincount(y) / len(y), 2000)
    shares = calibrator("prior-correction").adapt(Outputs(torch.from_numpy(test_logits)), fitted)["shares"]
    np.testing.assert_allclose(shares, expected, atol=1e-4)


# --- BBSE -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["bbse", "bbse-soft"])
def test_bbse_is_the_papers_weights_times_the_shares_of_cal(method: str) -> None:
    """Lipton et al., section 4: w = C^-1 mu with the joint confusion matrix C_ij = P(answer i, label j) of cal."""
    cal_x, y = drawn(SOURCE, 3000)
    x, truth = drawn(TARGET, 3000, 1)
    cal_p, p = posterior(cal_x, SOURCE), posterior(x, SOURCE)
    if method == "bbse":
        cal_p, p = np.eye(3)[cal_p.argmax(axis=1)], np.eye(3)[p.argmax(axis=1)]
    joint = cal_p.T @ np.eye(3)[y] / len(y)
    weights = np.linalg.solve(joint, p.mean(axis=0))
    _, fitted = fit(f"prior-correction:method={method}", outputs_of(cal_x, SOURCE), torch.from_numpy(y))
    shares = calibrator(f"prior-correction:method={method}").adapt(outputs_of(x, SOURCE), fitted)["shares"]
    expected = weights * np.bincount(y) / len(y)
    np.testing.assert_allclose(shares, expected / expected.sum(), rtol=1e-9)
    np.testing.assert_allclose(shares, np.bincount(truth) / len(truth), atol=0.06)


def test_bbse_of_a_class_that_no_row_shows_ends_at_the_floor() -> None:
    cal_x, y = drawn(SOURCE, 2000)
    x, _ = drawn(np.array([0.7, 0.3, 0]), 500, 3)
    _, fitted = fit("prior-correction:method=bbse", outputs_of(cal_x, SOURCE), torch.from_numpy(y))
    shares = calibrator("prior-correction:method=bbse").adapt(outputs_of(x, SOURCE), fitted)["shares"]
    assert shares[2] == pytest.approx(1 / 503, rel=0.01)


def test_bbse_refuses_a_class_that_is_never_answered() -> None:
    x, y = drawn(SOURCE, 500)
    rare = np.array([0.7, 0.2999999, 1e-7])
    stage, fitted = fit("prior-correction:method=bbse", outputs_of(x, rare), torch.from_numpy(y))
    with pytest.raises(RunError, match="singular") as caught:
        stage.adapt(outputs_of(x, rare), fitted)
    assert "(no cal row is predicted as class 2)" in caught.value.message
    assert "bbse-soft" in caught.value.hint


# --- records --------------------------------------------------------------------------------------------------------


def gaussians(folder: Path) -> str:
    """Train and test rows of the three classes, as a dataset that a user names."""
    train, test = drawn(SOURCE, 1500), drawn(SOURCE, 1500, 1)
    arrays = {"train_x": train[0], "train_y": train[1], "test_x": test[0], "test_y": test[1]}
    np.savez(folder / "g.npz", **{k: v.astype(np.float32) if k.endswith("x") else v for k, v in arrays.items()})
    return f"npz:path={folder / 'g.npz'}"


def test_the_record_states_the_shares_of_test_and_of_each_variant(tmp_path: Path) -> None:
    data = gaussians(tmp_path)
    shift = f"label-shift:prior={text_of(TARGET)}"
    runs: dict[str, Any] = {
        recipe: run(recipe, data, model="mlp:hidden=8", epochs=15, results=None, shift=[shift])
        for recipe in ("ce:lr=0.01", "ce:lr=0.01+prior-correction", "ce:lr=0.01+temperature+prior-correction:method=em")
    }
    plain, *corrected = runs.values()
    for record in corrected:
        (entry,) = [entry for entry in record.fitted if entry["stage"] == "prior-correction"]
        np.testing.assert_allclose(entry["shares"], SOURCE, atol=0.05)
        assert entry["rows"] == 1500
        (row,) = record.shift
        adapted = row["about"]["adapted"]["prior-correction"]
        np.testing.assert_allclose(adapted["shares"], TARGET, atol=0.08)
        assert adapted["rows"] == row["n"]
        assert row["metrics"]["nll"] < plain.shift[0]["metrics"]["nll"] - 0.1
        assert record.metrics["nll"] == pytest.approx(plain.metrics["nll"], abs=0.05)  # of 150 cal rows
    assert "adapted" not in plain.shift[0]["about"]
    assert {"temperature", "prior-correction"} <= {entry["stage"] for entry in corrected[1].fitted}


def test_evaluate_states_the_shares_and_folds_have_their_own() -> None:
    cal_x, y = drawn(SOURCE, 1500)
    x, truth = drawn(TARGET, 1500, 1)
    logits, fit_logits = posterior_logits(x, SOURCE), posterior_logits(cal_x, SOURCE)
    record = evaluate(logits, truth, fit="temperature+prior-correction:method=em", fit_logits=fit_logits, fit_labels=y)
    assert record.fit is not None
    assert record.after is not None
    np.testing.assert_allclose(record.fit["shares"], TARGET, atol=0.05)
    assert record.fit["n"] == 1500
    assert record.after["metrics"]["nll"] < record.metrics["nll"] - 0.1
    crossed = evaluate(logits, truth, fit="prior-correction:source=uniform,prior=cal", cross_fit=3)
    assert crossed.after is not None


def test_rows_of_another_set_can_be_mapped_as_test_was() -> None:
    """As OOD rows are: with the shares of the test rows, not their own."""
    cal_x, y = drawn(SOURCE, 1000)
    chain = PostHoc(resolve_chain("prior-correction:method=em", ("calibrator",), "--fit"), 3)
    chain.fit(outputs_of(cal_x, SOURCE), torch.from_numpy(y))
    test, others = outputs_of(drawn(TARGET, 1000, 1)[0], SOURCE), outputs_of(drawn(SOURCE, 50, 2)[0], SOURCE)
    chain.judged(test)
    of_test = dict(chain.adapted)
    as_test, _ = chain.judged(others, adapted=of_test)
    assert chain.adapted == of_test
    shift = np.log(np.array(of_test["prior-correction"]["shares"])) - np.log(np.bincount(y) / len(y))
    np.testing.assert_allclose(as_test.scores, others.scores.numpy() + shift, rtol=1e-9)
    chain.judged(others)
    assert chain.adapted != of_test


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("prior=0.5;0.3;0.2,method=em", "method=em would do nothing", "drop one"),
        ("prior=cal", "the same shares", "leave prior out"),
        ("prior=uniform,source=uniform", "the same shares", "leave prior out"),
        ("source=uniform", "source=uniform would do nothing: bcts-em", "method=em"),
        ("prior=unifrom", "neither shares joined by ';'", "did you mean 'uniform'"),
        ("prior=fit", "neither shares joined by ';'", "cal or uniform"),
        ("prior=0.5;0.4;0.2", "3 numbers with the sum 1.1", "sum to 1"),
        ("prior=0.5;0.5;0", "a share that is not above 0", "small share"),
        ("prior=0.5;0.6;-0.1", "a share that is not above 0", "small share"),
        ("prior=0.5;0.5;nan", "a share that is not above 0", "small share"),
        ("prior=0.5;0.5", "prior has 2 shares for 3 classes", "one per class"),
        ("source=0.5;0.5,method=em", "source has 2 shares for 3 classes", "one per class"),
        ("method=saerens", "method=saerens is not one of its choices", ""),
    ],
)
def test_mistakes_are_refused(text: str, message: str, hint: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        calibrator(f"prior-correction:{text}").check(3)
    assert hint in caught.value.hint


@pytest.mark.parametrize("text", ["prior-correction", "prior-correction:method=em", "prior-correction:method=bbse"])
def test_a_class_without_cal_samples_is_named(text: str) -> None:
    x, y = drawn(SOURCE, 100)
    with pytest.raises(InputError, match="cal has no sample of class 2"):
        calibrator(text).fit(outputs_of(x, SOURCE), torch.from_numpy(np.minimum(y, 1)))


def test_several_labels_a_row_are_refused() -> None:
    outputs = Outputs(torch.zeros(4, 2, dtype=torch.float64), labels_per_sample=2)
    with pytest.raises(InputError, match="rows have 2 labels each"):
        calibrator("prior-correction").fit(outputs, torch.tensor([0, 1, 0, 1]))


def test_logits_for_which_a_share_would_be_0_are_refused() -> None:
    x, y = drawn(SOURCE, 100)
    outputs = outputs_of(x, SOURCE)
    with pytest.raises(RunError, match="source=fit finds a share of 0 for class"):
        calibrator("prior-correction:source=fit,prior=cal").fit(Outputs(outputs.logits() * 1e4), torch.from_numpy(y))
