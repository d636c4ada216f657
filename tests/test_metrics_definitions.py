"""Each metric against its definition written with plain loops, and against other people's libraries."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calibench.errors import InputError
from calibench.metrics.accuracy import Accuracy
from calibench.metrics.aurc import AURC
from calibench.metrics.brier import Brier
from calibench.metrics.classwise_ece import ClasswiseECE
from calibench.metrics.ece import ECE, MCE
from calibench.metrics.equal_mass import EqualMassECE
from calibench.metrics.judged import Judged
from calibench.metrics.nll import Nll
from calibench.metrics.reliability import reliability
from calibench.metrics.selective import Coverage, SelectiveRisk
from calibench.outputs.outputs import Outputs

CIFAR100 = Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar100_test_probs.npz"


def simulated(n, k, seed, *, scale=1.5, from_probs=False, decisions=None):
    """Random logits whose true class is lifted, or their softmax as float64 probabilities."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    logits = rng.normal(size=(n, k)) * scale
    logits[np.arange(n), labels] += rng.exponential(2.0, size=n)
    scores = torch.tensor(logits)
    return Judged(Outputs(scores.softmax(1) if from_probs else scores, from_probs), torch.tensor(labels), decisions)


def from_table(probs, labels, decisions=None):
    scores = torch.tensor(probs, dtype=torch.float64)
    return Judged(Outputs(scores, from_probs=True), torch.tensor(labels), decisions)


def binary(confidence, correct):
    """Two classes, class 0 predicted with the given confidence (at least 1/2)."""
    confidence = np.asarray(confidence, dtype=np.float64)
    return from_table(np.stack([confidence, 1 - confidence], axis=1), 1 - np.asarray(correct, dtype=np.int64))


# --- oracles -------------------------------------------------------------------------------------------------------


def in_bin(p, b, bins):
    """(lo, hi], the first closed at 0."""
    return b / bins < p <= (b + 1) / bins or (b == 0 and p == 0)


def ece_by_loops(p, hit, bins):
    gaps, counts = [], []
    for b in range(bins):
        inside = [i for i in range(len(p)) if in_bin(p[i], b, bins)]
        gaps.append(abs(math.fsum(p[i] - hit[i] for i in inside)))
        counts.append(len(inside))
    return math.fsum(gaps) / len(p), max(g / c for g, c in zip(gaps, counts, strict=True) if c)


def equal_mass_by_split(p, hit, bins):
    order = np.lexsort((np.arange(len(p)), p))
    return sum(abs(math.fsum(p[g] - hit[g])) for g in np.array_split(order, bins)) / len(p)


def aurc_of_order(wrong):
    return math.fsum(sum(wrong[: i + 1]) / (i + 1) for i in range(len(wrong))) / len(wrong)


def aurc_over_all_orders(tail, wrong):
    """The mean over every order of every tie, by enumeration."""
    groups = [[w for t, w in zip(tail, wrong, strict=True) if t == value] for value in sorted(set(tail))]
    orders = itertools.product(*(list(itertools.permutations(group)) for group in groups))
    return float(np.mean([aurc_of_order(list(itertools.chain(*order))) for order in orders]))


# --- against loops -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bins", [1, 2, 10, 15, 100])
@pytest.mark.parametrize(("n", "k"), [(1, 2), (7, 3), (400, 5)])
@pytest.mark.parametrize("from_probs", [False, True])
def test_binned_errors_equal_their_definitions_written_as_loops(n, k, bins, from_probs):
    judged = simulated(n, k, seed=n + bins, from_probs=from_probs)
    p, hit = judged.confidence, judged.correct
    ece, mce = ece_by_loops(p, hit, bins)
    assert ECE(bins).value(judged) == pytest.approx(ece, abs=1e-13)
    assert MCE(bins).value(judged) == pytest.approx(mce, abs=1e-13)
    assert EqualMassECE(bins).value(judged) == pytest.approx(equal_mass_by_split(p, hit, bins), abs=1e-13)
    own = [ece_by_loops(judged.probs[:, c], (judged.labels == c).astype(float), bins)[0] for c in range(k)]
    assert ClasswiseECE(bins).value(judged) == pytest.approx(float(np.mean(own)), abs=1e-13)


def test_samples_equal_float64_softmax():
    judged = simulated(300, 7, seed=3)
    x = judged.outputs.scores.numpy()
    probs = np.exp(x - x.max(1, keepdims=True))
    probs /= probs.sum(1, keepdims=True)
    rows = np.arange(300)
    np.testing.assert_allclose(judged.probs, probs, rtol=1e-13)
    np.testing.assert_array_equal(judged.prediction, probs.argmax(1))
    np.testing.assert_allclose(judged.confidence, probs.max(1), rtol=1e-13)
    np.testing.assert_allclose(judged.tail, (1 - probs.max(1)) / probs.max(1), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(judged.nll, -np.log(probs[rows, judged.labels]), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(judged.brier, ((probs - np.eye(7)[judged.labels]) ** 2).sum(1), rtol=1e-12, atol=1e-15)


def test_a_confidence_on_an_edge_belongs_to_the_lower_bin_and_1_to_the_last():
    confidence = [0.5, 0.6, 2 / 3, 0.7, 1.0]
    judged = binary(confidence, [1, 1, 1, 1, 1])
    assert judged.bin_index(10).tolist() == [4, 5, 6, 6, 9]
    assert judged.bin_index(15).tolist() == [7, 8, 9, 10, 14]
    assert judged.bin_index(1).tolist() == [0] * 5
    stats = judged.stats(10)
    assert stats.count.tolist() == [0, 0, 0, 0, 1, 1, 2, 0, 0, 1]
    assert stats.confidence_sum[6] == 2 / 3 + 0.7
    assert (stats.n, stats.correct) == (5, 5)


def test_zero_and_edge_probabilities_of_classwise_bins():
    probs = [[0.0, 0.2, 0.8], [0.4, 0.6, 0.0], [1.0, 0.0, 0.0], [0.2, 0.2, 0.6]]
    judged = from_table(probs, [2, 1, 0, 1])
    own = [ece_by_loops(judged.probs[:, c], (judged.labels == c).astype(float), 5)[0] for c in range(3)]
    assert ClasswiseECE(5).value(judged) == pytest.approx(np.mean(own), abs=1e-15)


@given(st.lists(st.tuples(st.integers(5, 8), st.booleans()), min_size=1, max_size=7))
@settings(max_examples=60, deadline=None)
def test_aurc_is_the_mean_over_every_order_of_the_ties(samples):
    judged = binary([c / 8 for c, _ in samples], [hit for _, hit in samples])
    expected = aurc_over_all_orders(judged.tail.tolist(), (1 - judged.correct).tolist())
    assert AURC().value(judged) == pytest.approx(expected, abs=1e-13)


def test_aurc_without_ties_equals_the_running_error_rate():
    judged = simulated(500, 4, seed=1)
    wrong = (1 - judged.correct)[np.argsort(judged.tail)]
    assert len(set(judged.tail)) == 500
    assert AURC().value(judged) == pytest.approx(aurc_of_order(wrong.tolist()), abs=1e-13)
    best = aurc_of_order(sorted(wrong.tolist()))
    assert AURC().details(judged)["oracle"] == pytest.approx(best, abs=1e-13)
    assert AURC().details(judged)["excess"] == pytest.approx(AURC().value(judged) - best, abs=1e-13)


def test_aurc_tells_apart_confidences_that_round_to_one():
    logits = torch.tensor([[0.0, 60.0], [0.0, 80.0], [0.0, 50.0]], dtype=torch.float64)
    judged = Judged(Outputs(logits), torch.tensor([1, 1, 0]))
    assert judged.confidence.tolist() == [1.0, 1.0, 1.0]
    assert AURC().value(judged) == pytest.approx(1 / 9)


def test_equal_mass_with_fewer_samples_than_groups_leaves_groups_empty():
    judged = binary([0.6, 0.9, 0.7], [0, 1, 1])
    assert EqualMassECE(15).value(judged) == pytest.approx((0.6 + 0.1 + 0.3) / 3)


@pytest.mark.parametrize("from_probs", [False, True])
@pytest.mark.parametrize("bins", [1, 3, 15])
def test_brier_decomposition_adds_up_and_matches_loops(from_probs, bins):
    judged = simulated(300, 4, seed=2, from_probs=from_probs)
    found = Brier(bins).details(judged)
    rel = res = unc = 0.0
    for c in range(4):
        p, y = judged.probs[:, c], (judged.labels == c).astype(float)
        unc += y.mean() * (1 - y.mean())
        for b in range(bins):
            inside = [i for i in range(300) if in_bin(p[i], b, bins)]
            if inside:
                rel += len(inside) / 300 * (p[inside].mean() - y[inside].mean()) ** 2
                res += len(inside) / 300 * (y[inside].mean() - y.mean()) ** 2
    assert found["reliability"] == pytest.approx(rel, abs=1e-13)
    assert found["resolution"] == pytest.approx(res, abs=1e-13)
    assert found["uncertainty"] == pytest.approx(unc, abs=1e-13)
    total = found["reliability"] - found["resolution"] + found["uncertainty"] + found["within_bin"]
    assert total == pytest.approx(Brier().value(judged), abs=1e-13)


def test_brier_within_bin_term_vanishes_when_forecasts_are_constant_in_each_bin():
    judged = from_table([[0.25, 0.75]] * 4 + [[0.5, 0.5]] * 2, [0, 1, 1, 1, 0, 1])
    found = Brier(15).details(judged)
    assert found["within_bin"] == pytest.approx(0, abs=1e-16)
    assert found["reliability"] == pytest.approx(0, abs=1e-16)


def test_nll_clips_probabilities_at_1e_12_and_counts_them():
    judged = from_table([[0.0, 1.0], [1e-13, 1 - 1e-13], [1e-12, 1 - 1e-12], [0.5, 0.5]], [0, 0, 0, 1])
    assert Nll().value(judged) == pytest.approx((3 * -math.log(1e-12) + math.log(2)) / 4)
    assert Nll().details(judged) == {"clipped": 2}
    assert Nll().details(judged.take(np.array([0, 0, 3]))) == {"clipped": 2}
    logits = Judged(Outputs(torch.tensor([[-100.0, 0.0], [0.0, 0.0]])), torch.tensor([0, 1]))
    assert Nll().value(logits) == pytest.approx((100 + math.log(2)) / 2)
    assert Nll().details(logits) == {"clipped": 0}


def test_mce_names_its_bin_and_count():
    judged = binary([0.55, 0.56, 0.95, 0.96, 0.97], [1, 0, 1, 1, 0])
    assert MCE(10).value(judged) == pytest.approx(2.88 / 3 - 2 / 3)
    assert MCE(10).details(judged) == {"bin": 9, "count": 3}
    assert MCE(10).details(binary([0.55], [1])) == {"bin": 5, "count": 1}
    assert MCE(10).details(binary([1.0], [1])) == {"bin": 9, "count": 1}


def test_selective_figures_judge_the_decision_not_the_prediction():
    decisions = np.array([0, -1, 1, 1, -1])
    judged = from_table([[0.9, 0.1, 0.0]] * 5, [0, 0, 1, 0, 1], decisions)
    assert Coverage().value(judged) == pytest.approx(3 / 5)
    assert SelectiveRisk().value(judged) == pytest.approx(1 / 3)
    assert Coverage().details(judged) == {"abstention_per_class": [pytest.approx(1 / 3), 0.5, None]}
    nothing = from_table([[0.9, 0.1]] * 2, [0, 1], np.array([-1, -1]))
    assert Coverage().value(nothing) == 0
    assert math.isnan(SelectiveRisk().value(nothing))
    with pytest.raises(InputError, match="need decisions"):
        Coverage().value(judged=simulated(3, 2, 0))


# --- invariants ----------------------------------------------------------------------------------------------------


def test_if_every_bin_is_overconfident_all_binned_errors_are_confidence_minus_accuracy():
    rng = np.random.default_rng(5)
    confidence = rng.uniform(0.5, 1, size=4000)
    judged = binary(confidence, rng.random(4000) < 0.6 * confidence)
    expected = judged.confidence.mean() - judged.correct.mean()
    for metric in (ECE(10), ECE(15), EqualMassECE(15)):
        assert metric.value(judged) == pytest.approx(expected, abs=1e-13)


@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(2, 5), st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_ece_is_at_most_mce(seed, n, k, bins):
    judged = simulated(n, k, seed)
    assert ECE(bins).value(judged) <= MCE(bins).value(judged) + 1e-15


ALL = [Accuracy(), Nll(), Brier(), ECE(15), ECE(10), MCE(15), EqualMassECE(15), ClasswiseECE(15), AURC()]


@pytest.mark.parametrize("metric", ALL, ids=lambda m: f"{type(m).__name__}{getattr(m, 'bins', '')}")
def test_invariants_of_every_metric(metric):
    judged = simulated(250, 6, seed=9)
    value, x, y = metric.value(judged), judged.outputs.scores, torch.tensor(judged.labels)
    shift = torch.linspace(-40, 40, 250, dtype=torch.float64)[:, None]
    assert metric.value(Judged(Outputs(x + shift), y)) == pytest.approx(value, abs=1e-12)
    order = torch.randperm(250, generator=torch.Generator().manual_seed(0))
    assert metric.value(Judged(Outputs(x[order]), y[order])) == pytest.approx(value, abs=1e-12)
    assert metric.value(judged.take(order.numpy())) == pytest.approx(value, abs=1e-12)
    assert metric.value(Judged(Outputs(x.softmax(1), from_probs=True), y)) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_narrow_scores_are_judged_as_the_exact_value_of_the_stored_numbers(dtype):
    wide = simulated(200, 5, seed=4)
    narrow = wide.outputs.scores.to(dtype)
    y = torch.tensor(wide.labels)
    for metric in ALL:
        exact = metric.value(Judged(Outputs(narrow.double()), y))
        assert metric.value(Judged(Outputs(narrow), y)) == exact


def test_bad_input_is_named():
    outputs = Outputs(torch.zeros(3, 2))
    with pytest.raises(InputError, match="3 rows of scores and 2 labels"):
        Judged(outputs, torch.tensor([0, 1]))
    y = torch.tensor([0, 1, 0])
    with pytest.raises(InputError, match="row 1: decision 2"):
        Judged(outputs, y, np.array([0, 2, -1]))
    with pytest.raises(InputError, match="shape"):
        Judged(outputs, y, np.array([0, 1]))
    for bins in (0, -1, 2.5, True):
        with pytest.raises(InputError, match="not a number of bins"):
            ECE(bins)


# --- other people's libraries --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_ece_equals_netcal(seed):
    netcal_metrics = pytest.importorskip("netcal.metrics")
    judged = simulated(3000, 8, seed)
    for bins in (10, 15):
        theirs = netcal_metrics.ECE(bins).measure(judged.probs.copy(), judged.labels.copy())
        assert ECE(bins).value(judged) == pytest.approx(theirs, abs=1e-12)


def test_mce_equals_netcal():
    netcal_metrics = pytest.importorskip("netcal.metrics")
    judged = simulated(3000, 8, seed=1)
    theirs = netcal_metrics.MCE(15).measure(judged.probs.copy(), judged.labels.copy())
    assert MCE(15).value(judged) == pytest.approx(theirs, abs=1e-12)


def test_accuracy_and_ece_agree_with_torchmetrics():
    functional = pytest.importorskip("torchmetrics.functional.classification")
    judged = simulated(3000, 8, seed=2)
    probs, labels = torch.tensor(judged.probs), torch.tensor(judged.labels)
    accuracy = functional.multiclass_accuracy(probs, labels, num_classes=8, average="micro")
    assert Accuracy().value(judged) == pytest.approx(float(accuracy), abs=1e-7)
    ece = functional.multiclass_calibration_error(probs, labels, num_classes=8, n_bins=15, norm="l1")
    assert ECE(15).value(judged) == pytest.approx(float(ece), abs=1e-5)


def test_scores_agree_with_sklearn():
    metrics = pytest.importorskip("sklearn.metrics")
    judged = simulated(3000, 8, seed=3)
    classes = list(range(8))
    assert Accuracy().value(judged) == metrics.accuracy_score(judged.labels, judged.prediction)
    theirs = metrics.log_loss(judged.labels, judged.probs, labels=classes)
    assert Nll().value(judged) == pytest.approx(theirs, abs=1e-12)
    brier = metrics.brier_score_loss(judged.labels, judged.probs, labels=classes, scale_by_half=False)
    assert Brier().value(judged) == pytest.approx(brier, abs=1e-12)


@pytest.mark.skipif(not CIFAR100.exists(), reason=f"the CIFAR-100 networks are not at {CIFAR100}")
@pytest.mark.parametrize(
    ("network", "accuracy", "ece", "nll", "brier"),
    [
        ("lenet5", 0.1246, 0.01488, 3.8131, 0.9520),
        ("wrn16_4", 0.7543, 0.05806, 0.9565, 0.3501),
        ("densenet_bc_100", 0.7541, 0.14215, 1.2256, 0.3845),
    ],
)
def test_three_cifar100_networks(network, accuracy, ece, nll, brier):
    with np.load(CIFAR100, allow_pickle=False) as file:
        probs, labels = torch.from_numpy(file[network]), torch.from_numpy(file["label"]).long()
    judged = Judged(Outputs(probs, from_probs=True), labels)
    assert Accuracy().value(judged) == accuracy
    assert ECE(15).value(judged) == pytest.approx(ece, abs=1e-5)
    assert Nll().value(judged) == pytest.approx(nll, abs=1e-4)
    assert Brier().value(judged) == pytest.approx(brier, abs=1e-4)


# --- reliability diagram -------------------------------------------------------------------------------------------


def test_reliability_rows_hold_the_bins_of_ece_with_wilson_intervals():
    stats = pytest.importorskip("scipy.stats")
    judged = simulated(500, 3, seed=6)
    rows = reliability(judged, 15)
    assert [row.lo for row in rows[1:]] == [row.hi for row in rows[:-1]]
    assert (rows[0].lo, rows[-1].hi, sum(row.count for row in rows)) == (0, 1, 500)
    filled = [row for row in rows if row.count]
    total = sum(row.count * abs(row.confidence - row.accuracy) for row in filled) / 500
    assert total == pytest.approx(ECE(15).value(judged), abs=1e-13)
    for row in filled:
        theirs = stats.binomtest(round(row.accuracy * row.count), row.count).proportion_ci(0.95, method="wilson")
        assert row.accuracy_interval == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    empty = [row for row in rows if not row.count]
    assert empty
    assert all((row.confidence, row.accuracy, row.accuracy_interval) == (None, None, None) for row in empty)
