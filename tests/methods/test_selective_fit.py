"""Decision rules against their formulas written out: scores, fitted limits and what they guarantee, F1, costs, sigmoids."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, f1_score

from calibench import InputError, Outputs, RunError, run
from calibench.config.from_words import resolve, resolve_chain
from calibench.metrics.aurc import AURC, area_under, risk_coverage
from calibench.metrics.binomial import lower_bound, upper_bound
from calibench.metrics.judged import Judged
from calibench.metrics.mean_cost import MeanCost
from calibench.metrics.selective import Coverage, SelectiveRisk
from calibench.outputs.decisions import Decisions
from calibench.outputs.uncertainty import threshold_of, uncertainty_of
from calibench.recipe.posthoc import PostHoc
from calibench.records.store import read_predictions
from calibench_methods.decisions.class_thresholds import tune
from calibench_methods.decisions.cost import Cost
from calibench_methods.decisions.selective_fit import limit_coverage, limit_risk, starts
from calibench_methods.decisions.sigmoid_threshold import SigmoidThreshold
from calibench_methods.decisions.threshold import Threshold

pytestmark = pytest.mark.usefixtures("one_thread")
CIFAR100 = Path("/work/shared/data/cifar100_test_probs.npz")
SCORES = ("max-softmax", "entropy", "margin", "energy", "max-logit-pnorm")


def logits_of(n: int, k: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    logits = rng.normal(size=(n, k)) * 2
    logits[np.arange(n), labels] += rng.exponential(3.0, size=n)
    return torch.tensor(logits), torch.tensor(labels)


# --- scores --------------------------------------------------------------------------------------------------------


def by_definition(score: str, x: np.ndarray, p_of_norm: float) -> float:
    """One row's uncertainty in extended precision."""
    x = x.astype(np.longdouble)
    p = np.exp(x - x.max())
    p = p / p.sum()
    if score == "max-softmax":
        return float(np.delete(p, p.argmax()).sum() / p.max())
    if score == "entropy":
        return float(-sum(v * np.log(v) for v in p if v > 0))
    if score == "margin":
        first, second = np.sort(p)[::-1][:2]
        return float(1 - (first - second))
    if score == "energy":
        return float(-(np.log(np.exp(x - x.max()).sum()) + x.max()))
    z = x - x.mean()
    return float(-(z / (np.abs(z) ** p_of_norm).sum() ** (1 / np.longdouble(p_of_norm))).max())


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("k", [2, 7])
def test_scores_are_their_formulas(score: str, k: int) -> None:
    x, _ = logits_of(200, k, seed=k)
    for norm in (1.0, 3.0, 5.0) if score == "max-logit-pnorm" else (5.0,):
        expected = [by_definition(score, row, norm) for row in x.numpy()]
        np.testing.assert_allclose(uncertainty_of(Outputs(x), score, norm).numpy(), expected, rtol=1e-6, atol=1e-7)
    if score != "energy":  # which a softmax forgets, and the others do not
        from_probs = uncertainty_of(Outputs(x.softmax(1), from_probs=True), score)
        np.testing.assert_allclose(from_probs.numpy(), uncertainty_of(Outputs(x), score).numpy(), rtol=1e-5, atol=1e-6)


def test_energy_of_probabilities_is_refused() -> None:
    with pytest.raises(InputError, match="energy needs logits"):
        uncertainty_of(Outputs(torch.full((2, 2), 0.5), from_probs=True), "energy")


def test_scores_do_not_saturate_and_survive_extremes() -> None:
    sure = Outputs(torch.tensor([[50.0, 0.0, 0.0], [60.0, 0.0, 0.0]], dtype=torch.float64))
    assert (sure.probs().amax(dim=1) == 1).all()
    for score in ("max-softmax", "margin"):
        first, second = uncertainty_of(sure, score).tolist()
        assert first > second > 0, score
    hard = torch.tensor([[1e300, -1e300, 0.0], [0.0, 0.0, 0.0], [800.0, 0.0, -800.0]], dtype=torch.float64)
    one_hot = Outputs(torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]), from_probs=True)
    for score in SCORES:
        assert uncertainty_of(Outputs(hard), score).isfinite().all(), score
        if score != "energy":
            sharp, even, other = uncertainty_of(one_hot, score).tolist()
            assert sharp == other < even, score
    assert threshold_of("max-softmax", 0.25) == pytest.approx(0.8)
    assert threshold_of("margin", 0.25) == 0.75


# --- limits on the uncertainty -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delta", [0.001, 0.05, 0.3])
def test_bounds_are_those_of_scipy(delta: float) -> None:
    for n in (1, 7, 400):
        for hits in {0, 1, n // 3, n - 1, n}:
            exact = stats.binomtest(hits, n).proportion_ci(1 - 2 * delta, method="exact")
            assert upper_bound(np.array(hits), np.array(n), delta) == pytest.approx(exact.high, abs=1e-10)
            assert lower_bound(np.array(hits), np.array(n), delta) == pytest.approx(exact.low, abs=1e-10)


def ends_of(uncertainty: np.ndarray, wrong: np.ndarray) -> list[tuple[float, int, int]]:
    """(limit, accepted, errors) for each limit that could be set."""
    return [(t, int((uncertainty <= t).sum()), int(wrong[uncertainty <= t].sum())) for t in np.unique(uncertainty)]


def chains_by_hand(uncertainty: np.ndarray, wrong: np.ndarray, target: float, delta: float) -> float | None:
    ends = ends_of(uncertainty, wrong)
    places, level = starts(len(uncertainty), target, delta)
    best = None
    for place in places:
        first = True
        for t, accepted, errors in ends:
            if accepted < place:
                continue
            if first and stats.binom.cdf(errors, accepted - 1, target) > level:
                break
            if stats.binom.cdf(errors, accepted, target) > level:
                break
            first = False
            best = t if best is None else max(best, t)
    return best


def search_by_hand(uncertainty: np.ndarray, wrong: np.ndarray, target: float, delta: float) -> float | None:
    """Algorithm 2 of Geifman & El-Yaniv, on kappa = -uncertainty, its bound by scipy; the best limit that passed."""
    kappa = np.sort(-uncertainty)
    m = len(kappa)
    low, high, best = 1, m, None
    steps = max(1, math.ceil(math.log2(m)))
    for _ in range(steps):
        z = (low + high) // 2
        theta = kappa[z - 1]
        kept = -uncertainty >= theta
        bound = stats.beta.ppf(1 - delta / steps, wrong[kept].sum() + 1, max(kept.sum() - wrong[kept].sum(), 1e-300))
        if kept.sum() > wrong[kept].sum() and bound < target:
            best = -theta if best is None else max(best, -theta)
            high = z
        else:
            low = z
    return best


def drawn(n: int, seed: int, grid: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Uncertainty u uniform on [0, 1] (in `grid` steps), wrong with probability u^2 / 2: accepting up to t has risk t^2 / 6."""
    rng = np.random.default_rng(seed)
    uncertainty = rng.random(n)
    wrong = rng.random(n) < 0.5 * uncertainty**2
    return (uncertainty if grid is None else np.ceil(uncertainty * grid) / grid), wrong


@pytest.mark.parametrize("grid", [None, 25])
@pytest.mark.parametrize("seed", range(4))
def test_limits_are_those_found_by_hand(seed: int, grid: int | None) -> None:
    uncertainty, wrong = drawn(700, seed, grid)
    for target in (0.03, 0.06, 0.1):
        best = [t for t, accepted, errors in ends_of(uncertainty, wrong) if errors / accepted <= target]
        assert limit_risk(uncertainty, wrong, target, "none", 0.5).uncertainty == (max(best) if best else None)
        found = limit_risk(uncertainty, wrong, target, "clopper-pearson", 0.1)
        assert found.uncertainty == chains_by_hand(uncertainty, wrong, target, 0.1)
        sgr = limit_risk(uncertainty, wrong, target, "sgr", 0.1)
        if grid is None:
            assert sgr.uncertainty == search_by_hand(uncertainty, wrong, target, 0.1)
        for limit in (found, sgr):
            if limit.uncertainty is not None:
                assert limit.accepted == (uncertainty <= limit.uncertainty).sum()
                assert limit.errors == wrong[uncertainty <= limit.uncertainty].sum()
                assert limit.errors / limit.accepted < limit.bound <= target + 1e-12


def test_starts_are_where_a_test_can_pass_and_as_many_as_the_level_pays_for() -> None:
    for n, target, delta in ((100, 0.02, 0.05), (5000, 0.02, 0.05), (5000, 0.3, 0.001), (3, 0.9, 0.5)):
        places, level = starts(n, target, delta)
        assert len(places) * level <= delta * (1 + 1e-12)
        assert all(place <= n for place in places)
        if places:
            first = places[0]
            assert (1 - target) ** (first - 1) <= level * (1 + 1e-12) < (1 - target) ** (first - 2) * (1 + 1e-9)
            assert places == [first * 4**j for j in range(len(places))]
            assert 4 * places[-1] > n


def test_too_few_samples_abstain_on_everything_and_say_so() -> None:
    found = limit_risk(np.arange(50.0), np.zeros(50, dtype=bool), 0.02, "clopper-pearson", 0.05)
    assert (found.uncertainty, found.accepted, found.bound) == (None, 0, None)
    assert "50 samples with 0 errors" in found.note
    everywhere_wrong = limit_risk(np.arange(50.0), np.ones(50, dtype=bool), 0.5, "none", 0.05)
    assert everywhere_wrong.uncertainty is None
    rule = Threshold(target_risk=0.02)
    logits, labels = logits_of(30, 3, seed=0)
    fitted = json.loads(json.dumps(rule.fit(Outputs(logits), labels), allow_nan=False))
    assert (fitted["accepts"], fitted["cal_coverage"], fitted["cal_risk"]) == ("nothing", 0, None)
    assert (rule.decide(Outputs(logits), fitted).answers == -1).all()


def exceeded(share: float, tries: int, delta: float) -> bool:
    """More often than a rule whose chance is delta would in 999 of 1000 such experiments."""
    return share * tries > stats.binom.ppf(0.999, tries, delta)


@pytest.mark.parametrize("guarantee", ["clopper-pearson", "sgr"])
@pytest.mark.parametrize("target", [0.03, 0.06, 0.12])
def test_the_risk_of_the_population_exceeds_the_target_in_a_share_delta_at_most(guarantee: str, target: float) -> None:
    """The population's risk up to t is t^2 / 6 exactly, so no test sample blurs the count. 400 draws of 1 500 samples."""
    over, limits = 0, []
    for seed in range(400):
        found = limit_risk(*drawn(1500, seed), target, guarantee, 0.1).uncertainty
        limits.append(found or 0.0)
        over += limits[-1] ** 2 / 6 > target
    assert not exceeded(over / 400, 400, 0.1)
    best = min(1, math.sqrt(6 * target))
    assert (
        np.mean(limits) > (0.6 if guarantee == "clopper-pearson" else 0.4) * best
    )  # else abstaining always would pass
    careless = [limit_risk(*drawn(1500, seed), target, "none", 0.1).uncertainty or 0.0 for seed in range(100)]
    assert exceeded(np.mean(np.square(careless) / 6 > target), 100, 0.1)


def test_the_guarantee_survives_a_risk_that_is_largest_at_the_top() -> None:
    """Wrong with 0.6 below 0.02, as with mislabelled easy samples, then never up to 0.4, then with 0.5: two crossings."""

    def risk(t: float) -> float:
        return (0.6 * min(t, 0.02) + 0.5 * max(t - 0.4, 0)) / t if t > 0 else 0.0

    over, accepted = 0, []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        uncertainty = rng.random(1500)
        chance = np.where(uncertainty < 0.02, 0.6, np.where(uncertainty < 0.4, 0.0, 0.5))
        found = limit_risk(uncertainty, rng.random(1500) < chance, 0.1, "clopper-pearson", 0.1).uncertainty or 0.0
        over += risk(found) > 0.1
        accepted.append(found)
    assert not exceeded(over / 300, 300, 0.1)
    assert np.mean(accepted) > 0.35


def test_target_risk_over_200_splits_of_a_real_file() -> None:
    """CIFAR-100, 2 000 to fit and the other 8 000 as the population, whose risk at an accepted 20 % has SD 0.35 points.

    A split counts as exceeding where the risk among the 8 000 does; that holds the sampling error of the 8 000 against the
    rule, so the count may not be smaller than the population's.
    """
    if not CIFAR100.is_file():
        pytest.skip(f"there is no {CIFAR100}")
    with np.load(CIFAR100) as file:
        probs, labels = file["densenet_bc_100"], file["label"].astype(np.int64)
    wrong = probs.argmax(axis=1) != labels
    rng = np.random.default_rng(0)
    splits = [rng.permutation(len(labels)) for _ in range(200)]
    for score in ("max-softmax", "entropy"):
        uncertainty = uncertainty_of(Outputs(torch.tensor(probs), from_probs=True), score).numpy()
        for target in (0.02, 0.05):
            share = {}
            for guarantee in ("clopper-pearson", "none"):
                over = 0
                for order in splits:
                    cal, rest = order[:2000], order[2000:]
                    found = limit_risk(uncertainty[cal], wrong[cal], target, guarantee, 0.05)
                    accepted = uncertainty[rest] <= (-1 if found.uncertainty is None else found.uncertainty)
                    over += wrong[rest][accepted].sum() > target * accepted.sum()
                share[guarantee] = over / 200
            assert share["clopper-pearson"] <= 0.05, (score, target, share)
            assert share["none"] > 0.3, "a rule without a guarantee should exceed about every second time"


@pytest.mark.parametrize(("n", "target"), [(60, 0.9), (1000, 0.9), (1000, 0.5), (20, 0.3)])
def test_coverage_is_reached_with_probability_1_minus_delta_exactly(n: int, target: float) -> None:
    """The coverage at the k-th of n least doubts is Beta(k, n + 1 - k): k is the least that will do, by scipy's quantile."""
    found = limit_coverage(np.arange(n) / n, np.zeros(n, dtype=bool), target, "clopper-pearson", 0.05)
    k = found.accepted
    assert stats.beta.sf(target, k, n + 1 - k) >= 0.95
    assert stats.beta.sf(target, k - 1, n + 2 - k) < 0.95
    plain = limit_coverage(np.arange(n) / n, np.zeros(n, dtype=bool), target, "none", 0.05)
    assert plain.accepted == math.ceil(round(target * n, 6)) < k


def test_coverage_that_cannot_be_shown_accepts_everything() -> None:
    rule = Threshold(target_coverage=0.99)
    logits, labels = logits_of(20, 3, seed=0)
    fitted = json.loads(json.dumps(rule.fit(Outputs(logits), labels), allow_nan=False))
    assert fitted["accepts"] == "everything"
    assert "20 samples cannot show" in fitted["note"]
    decided = rule.decide(Outputs(logits * 0 + torch.eye(3, dtype=torch.float64)[labels] * 1e-9), fitted)
    assert torch.equal(decided.answers, labels)
    tied = limit_coverage(np.repeat([0.0, 1.0], [3, 7]), np.zeros(10, dtype=bool), 0.4, "none", 0.05)
    assert (tied.uncertainty, tied.accepted) == (1.0, 10)


@given(
    uncertainty=st.lists(st.integers(0, 6), min_size=1, max_size=40),
    data=st.data(),
    target=st.sampled_from([0.05, 0.2, 0.29, 0.5, 0.9]),
)
@settings(max_examples=150, deadline=None)
def test_without_a_guarantee_cal_itself_meets_the_target(
    uncertainty: list[int], data: st.DataObject, target: float
) -> None:
    wrong = np.array(data.draw(st.lists(st.booleans(), min_size=len(uncertainty), max_size=len(uncertainty))))
    x = np.array(uncertainty, dtype=np.float64)
    found = limit_risk(x, wrong, target, "none", 0.05)
    passing = [t for t, accepted, errors in ends_of(x, wrong) if errors <= round(target * accepted, 9)]
    assert found.uncertainty == (max(passing) if passing else None)
    covered = limit_coverage(x, wrong, target, "none", 0.05)
    assert covered.accepted >= target * len(x) - 1e-9
    assert (x < covered.uncertainty).sum() < max(1, target * len(x) - 1e-9)


# --- thresholds of classes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("metric", "theirs"), [("f1", f1_score), ("balanced-accuracy", balanced_accuracy_score)])
def test_tuned_thresholds_are_the_best_by_scikit_learn(metric: str, theirs: object) -> None:
    logits, labels = logits_of(120, 4, seed=2)
    probs = logits.softmax(1).numpy().round(2)
    thresholds, best = tune(probs, labels.numpy(), metric)
    for k in range(4):
        own = labels.numpy() == k
        figures = {t: theirs(own, probs[:, k] >= t) for t in np.unique(probs[:, k])}  # type: ignore[operator]
        assert best[k] == pytest.approx(max(figures.values()), abs=1e-12)
        assert thresholds[k] == max(t for t, value in figures.items() if value >= max(figures.values()) - 1e-12)


def test_a_tuned_rule_decides_by_its_thresholds_and_wants_every_class() -> None:
    logits, labels = logits_of(200, 3, seed=5)
    rule = Threshold(metric="f1")
    fitted = json.loads(json.dumps(rule.fit(Outputs(logits), labels), allow_nan=False))
    assert len(fitted["thresholds"]) == len(fitted["cal_f1"]) == 3
    again = Threshold(values=tuple(fitted["thresholds"])).decide(Outputs(logits), {}).answers
    assert torch.equal(rule.decide(Outputs(logits), fitted).answers, again)
    with pytest.raises(InputError, match="no sample of class 3"):
        rule.fit(Outputs(torch.cat([logits, logits[:, :1]], dim=1)), labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("value=0.8,target_risk=0.1", "not both value and target_risk"),
        ("values=0.2;0.4;0.4,metric=f1", "not both values and metric"),
        ("target_risk=0.1,target_coverage=0.9", "not both target_risk and target_coverage"),
        ("value=0.8,score=entropy", "neither is given"),
        ("metric=f1,guarantee=none", "neither is given"),
        ("delta=0.1", "neither is given"),
        ("target_risk=0.1,pnorm=3", "pnorm does nothing for score max-softmax"),
        ("target_risk=0.1,guarantee=none,delta=0.1", "delta does nothing"),
        ("target_coverage=0.9,guarantee=sgr", "sgr bounds the risk"),
        ("target_risk=0", "not between 0 and 1"),
        ("target_coverage=1", "not between 0 and 1"),
        ("target_risk=0.1,delta=0", "not between 0 and 1"),
        ("target_risk=0.1,score=loudness", "not one of its choices"),
        ("target_risk=2", "outside"),
    ],
)
def test_options_that_contradict_or_do_nothing_are_refused(options: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        PostHoc(resolve_chain(f"threshold:{options}", ("decision",), "--fit"), 3)
    assert error.value.hint


@pytest.mark.parametrize("score", SCORES)
def test_each_score_drives_abstention_and_reaches_the_record(score: str) -> None:
    logits, labels = logits_of(4000, 4, seed=8)
    chain = PostHoc(resolve_chain(f"threshold:target_risk=0.3,score={score}", ("decision",), "--fit"), 4)
    chain.fit(Outputs(logits[:2000]), labels[:2000])
    held = Outputs(logits[2000:])
    judged = Judged(held, labels[2000:], chain.decide(held))
    limit = chain._fitted["threshold"]["doubt"]
    np.testing.assert_array_equal(judged.decisions >= 0, uncertainty_of(held, score).numpy() <= limit)
    kept = judged.decisions[judged.decisions >= 0]
    np.testing.assert_array_equal(kept, logits[2000:].argmax(1).numpy()[judged.decisions >= 0])
    details = SelectiveRisk().details(judged)
    assert (details["score"], details["target"]) == (score, 0.3)
    assert details["reached"] == (SelectiveRisk().value(judged) <= 0.3)
    assert 0.1 < Coverage().value(judged) < 0.99
    wrong = 1 - judged.correct
    assert details["aurc"] == pytest.approx(area_under(uncertainty_of(held, score).numpy(), wrong), abs=1e-5)


# --- what a record says --------------------------------------------------------------------------------------------


def test_the_curve_is_that_of_a_loop_and_its_area_that_of_the_metric() -> None:
    logits, labels = logits_of(300, 3, seed=1)
    judged = Judged(Outputs(logits), labels, torch.zeros(300, dtype=torch.int64).numpy())
    assert SelectiveRisk().details(judged)["aurc"] == pytest.approx(AURC().value(judged), abs=1e-14)
    rng = np.random.default_rng(0)
    uncertainty, wrong = rng.integers(40, size=300).astype(np.float64), 1 - judged.correct
    coverage, risk = risk_coverage(uncertainty, wrong, 1000)
    expected = [((uncertainty <= t).mean(), wrong[uncertainty <= t].mean()) for t in np.unique(uncertainty)]
    np.testing.assert_allclose(np.stack([coverage, risk], axis=1), expected, atol=1e-14)
    few, _ = risk_coverage(rng.random(5000), np.zeros(5000), 100)
    np.testing.assert_allclose(few, np.arange(1, 101) / 100, atol=1e-3)
    one = risk_coverage(np.zeros(5), np.array([1.0, 0, 0, 0, 0]), 100)
    assert [x.tolist() for x in one] == [[1.0], [0.2]]


class Answering(Threshold):
    """Says what it is told to."""

    def __init__(self, said: object) -> None:
        super().__init__()
        self.said = said

    def decide(self, outputs: Outputs, fitted: dict) -> object:  # type: ignore[override]
        return self.said


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (torch.tensor([0, 3]), "row 1: decision 3 is not a class"),
        (torch.tensor([0.0, 1.0]), "not .2. whole numbers"),
        (torch.tensor([0]), "not .2. whole numbers"),
        (Decisions(torch.tensor([0, 1]), sets=torch.ones(2, 3)), "sets have shape"),
        (Decisions(torch.tensor([0, 1]), sets=torch.ones(3, 3, dtype=torch.bool)), "sets have shape"),
        (Decisions(torch.tensor([0, 1]), uncertainty=torch.tensor([0.0, math.nan])), "doubts"),
        (Decisions(torch.tensor([0, -1]), costs=torch.ones(3, 3)), "abstention has no cost"),
        (Decisions(torch.tensor([0, 1]), costs=torch.ones(2, 3)), "costs have shape"),
    ],
)
def test_a_rule_that_says_nonsense_is_named(said: object, message: str) -> None:
    chain = PostHoc(resolve_chain("threshold", ("decision",), "--fit"), 3)
    assert chain.rule is not None
    chain.rule = (chain.rule[0], Answering(said))
    with pytest.raises(RunError, match=f"method 'threshold' decided something else.*{message}"):
        chain.decide(Outputs(torch.zeros(2, 3)))


def test_a_rule_is_fitted_on_what_it_will_decide_on() -> None:
    """0.9 in float64 is above 0.9 in float32: fitted on the one, it would abstain on all of the other."""
    table = torch.tensor([[0.9, 0.1], [0.4, 0.6]], dtype=torch.float64)[torch.arange(400) % 2]
    labels = torch.where(torch.arange(400) % 2 == 0, 0, torch.arange(400) // 2 % 2)
    outputs = Outputs(table, from_probs=True)
    rounded = Outputs(table.float(), from_probs=True)
    for recipe in ("threshold:target_risk=0.1", "threshold:metric=balanced-accuracy", "conformal:alpha=0.3"):
        chain = PostHoc(resolve_chain(recipe, ("decision",), "--fit"), 2)
        chain.fit(outputs, labels, stored=lambda o: Outputs(o.scores.float(), o.from_probs))
        said = chain.decide(rounded)
        assert said is not None
        assert (said.answers[::2] == 0).all(), recipe


# --- cost ----------------------------------------------------------------------------------------------------------


def matrix(tmp_path: Path, text: str) -> str:
    (tmp_path / "cost.csv").write_text(text)
    return str(tmp_path / "cost.csv")


def test_the_cheapest_decision_is_that_of_a_loop(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for width in (4, 5):
        costs = rng.normal(size=(4, width)).round(3)
        rule = Cost(matrix(tmp_path, "\n".join(",".join(map(str, row)) for row in costs)))
        rule.check(4)
        logits, labels = logits_of(200, 4, seed=3)
        probs = logits.softmax(1).numpy()
        said = rule.decide(Outputs(logits), {})
        answers = []
        for p in probs:
            expected = [sum(p[k] * costs[k, d] for k in range(4)) for d in range(width)]
            least = expected.index(min(expected))
            answers.append(-1 if least == 4 else least)
        assert said.answers.tolist() == answers
        assert width == 4 or 0 < answers.count(-1) < 200
        judged = Judged(Outputs(logits), labels, said)
        paid = [costs[y, 4 if a == -1 else a] for y, a in zip(labels.tolist(), answers, strict=True)]
        assert MeanCost().value(judged) == pytest.approx(np.mean(paid), abs=1e-12)
        details = MeanCost().details(judged)
        assert details["most_probable"] == pytest.approx(costs[labels, probs.argmax(1)].mean(), abs=1e-12)
        hoped = np.mean([p @ costs[:, 4 if a == -1 else a] for p, a in zip(probs, answers, strict=True)])
        assert details["expected"] == pytest.approx(hoped, abs=1e-12)
        assert details["abstaining"] == (None if width == 4 else pytest.approx(costs[labels, 4].mean()))


def test_chows_rule_is_a_special_case_and_ties_go_to_the_lowest_class(tmp_path: Path) -> None:
    """Errors cost 1, abstention 0.25: abstain below a confidence of 0.75, answer at it."""
    rule = Cost(matrix(tmp_path, "# true a, b\n0, 1, 0.25\n\n1, 0, 0.25\n"))
    probs = torch.tensor([[0.75, 0.25], [0.5, 0.5], [0.1, 0.9], [0.74, 0.26]], dtype=torch.float64)
    assert rule.decide(Outputs(probs, from_probs=True), {}).answers.tolist() == [0, -1, 1, -1]
    even = Cost(matrix(tmp_path, "0,1,1\n1,0,1\n")).decide(Outputs(torch.full((1, 2), 0.5), from_probs=True), {})
    assert even.answers.tolist() == [0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,1\n1,0,1\n", "line 2 has 3 numbers, the first 2"),
        ("a,b\n0,1\n", "line 1: 'a' is not a finite number"),
        ("0,inf\n1,0\n", "'inf' is not a finite number"),
        ("\n# nothing\n", "holds no numbers"),
        ("0,1\n1,0\n", "2 x 2 numbers for 3 classes"),
        ("0,1,2,3,4\n" * 3, "3 x 5 numbers for 3 classes"),
    ],
)
def test_a_bad_matrix_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Cost(matrix(tmp_path, text)).check(3)


def test_a_missing_matrix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        Cost(str(tmp_path / "none.csv"))
    with pytest.raises(InputError, match="needs matrix"):
        resolve("ce+cost")


# --- sigmoids ------------------------------------------------------------------------------------------------------


def test_sigmoid_sets_and_answers_are_those_of_a_loop() -> None:
    logits, _ = logits_of(300, 3, seed=4)
    logits = logits - 2
    thresholds = (0.2, 0.4, 0.4)
    said = SigmoidThreshold(values=thresholds).decide(Outputs(logits), {})
    p = 1 / (1 + np.exp(-logits.numpy()))
    np.testing.assert_array_equal(said.sets.numpy(), p >= np.array(thresholds))  # type: ignore[union-attr]
    for row, passing, answer in zip(p, p >= np.array(thresholds), said.answers.tolist(), strict=True):
        assert answer == (int(np.where(passing, row, -1).argmax()) if passing.any() else -1)
    assert {0, 1, 2, 3} == set(said.sets.sum(dim=1).tolist())  # type: ignore[union-attr]
    high = torch.tensor([[800.0, 900.0, 0.0], [0.0, 0.0, -1.0]])
    assert SigmoidThreshold().decide(Outputs(high), {}).answers.tolist() == [1, 0]


def test_probabilities_are_compared_as_they_are() -> None:
    probs = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.15, 0.35, 0.5]])
    said = SigmoidThreshold(values=(0.7, 0.3, 0.55)).decide(Outputs(probs, from_probs=True), {})
    assert said.sets.tolist() == [[True, False, False], [False, True, True], [False, True, False]]  # type: ignore[union-attr]
    assert said.answers.tolist() == [0, 2, 1]  # a stored float32 0.7 means 0.7
    none = SigmoidThreshold(0.9).decide(Outputs(probs.double(), from_probs=True), {})
    assert none.answers.tolist() == [-1, -1, -1]


def test_both_thresholds_and_a_wrong_number_are_refused() -> None:
    with pytest.raises(InputError, match="not both"):
        SigmoidThreshold(0.4, (0.2, 0.4))
    with pytest.raises(InputError, match="2 values for 3 classes"):
        SigmoidThreshold(values=(0.2, 0.4)).check(3)


# --- the command line ----------------------------------------------------------------------------------------------


def test_the_per_class_example_from_a_csv(cli, tmp_path: Path) -> None:
    rows = [(0.25, 0.39, 0.36, 0), (0.19, 0.43, 0.38, 1), (0.3, 0.45, 0.25, 2), (0.19, 0.39, 0.42, 2)]
    rows += [(0.1, 0.39, 0.51, 0), (0.15, 0.46, 0.39, 1)]
    lines = ["a,b,c,label", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "three.csv").write_text("\n".join(lines))
    after = cli("evaluate", "three.csv", "--fit", "threshold:values=0.2;0.4;0.4", "--json").document["after"]
    assert after["metrics"]["coverage"] == 1
    assert after["metrics"]["selective_risk"] == pytest.approx(2 / 6)  # rows 2 and 4; row 0 is class 0 by its threshold
    stricter = cli("evaluate", "three.csv", "--fit", "threshold:values=0.2;0.44;0.45", "--json").document["after"]
    assert stricter["metrics"]["coverage"] == pytest.approx(4 / 6)
    assert stricter["details"]["coverage"]["abstention_per_class"] == [0, 0.5, 0.5]


def test_a_target_and_a_cost_from_the_command_line(cli, refused, tmp_path: Path, samples) -> None:
    for name, seed in (("test", 0), ("val", 1)):
        logits, labels = samples(600, seed=seed)
        np.savez(tmp_path / f"{name}.npz", logits=logits, labels=labels)
    matrix(tmp_path, "0,1,1,0.2\n5,0,1,0.2\n1,1,0,0.2\n")
    fit = ("evaluate", "test.npz", "--fit", "threshold:target_risk=0.3,delta=0.1")
    document = cli(*fit, "--fit-on", "val.npz", "--json").document
    assert document["fit"]["bound"] <= 0.3
    risk = document["after"]["details"]["selective_risk"]
    assert risk["target"] == 0.3
    assert len(risk["curve_risk"]) == len(risk["curve_coverage"]) == 100
    assert risk["curve_risk"][-1] == pytest.approx(1 - document["after"]["metrics"]["accuracy"])
    refused(*fit, says="needs samples to fit on", hint="--fit-on")
    cheap = cli("evaluate", "test.npz", "--fit", "cost:matrix=cost.csv", "--json").document["after"]
    assert cheap["metrics"]["mean_cost"] <= cheap["details"]["mean_cost"]["most_probable"]
    assert cheap["intervals"]["mean_cost"][0] <= cheap["metrics"]["mean_cost"]
    refused("evaluate", "test.npz", "--fit", "cost:matrix=none.csv", says="there is no file")


def test_a_changed_matrix_is_a_new_run_and_a_rule_stores_its_sets(features, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = f"ce+cost:matrix={matrix(tmp_path, '0,1,1,0.2' + chr(10) + '1,0,1,0.2' + chr(10) + '1,1,0,0.2')}"
    first = run(recipe, "npz:path=features.npz", "frozen", results=tmp_path / "r")
    assert run(recipe, "npz:path=features.npz", "frozen", results=tmp_path / "r") == first
    matrix(tmp_path, "0,1,1,0\n1,0,1,0\n1,1,0,0\n")
    second = run(recipe, "npz:path=features.npz", "frozen", results=tmp_path / "r")
    assert (second.metrics["coverage"], second.metrics["mean_cost"]) != (
        first.metrics["coverage"],
        first.metrics["mean_cost"],
    )
    assert second.metrics["mean_cost"] == 0
    sigmoid = run("ce+sigmoid-threshold:values=0.2;0.4;0.4", "npz:path=features.npz", "frozen", results=tmp_path / "r")
    held = read_predictions(tmp_path / "r", sigmoid)
    assert held["test.sets"].dtype == bool
    np.testing.assert_array_equal(
        held["test.sets"], 1 / (1 + np.exp(-held["test.logits"].astype(float))) >= [0.2, 0.4, 0.4]
    )
    assert sigmoid.metrics["set_size"] == pytest.approx(held["test.sets"].sum(axis=1).mean())
    assert sigmoid.details["selective_risk"]["score"] == "max-sigmoid"
