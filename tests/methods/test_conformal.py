"""`conformal` against its scores written out by hand, its quantile counted by hand, and its coverage over repeated splits."""

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

from calibench import InputError, Outputs
from calibench.config.from_words import resolve_chain
from calibench.errors import RunError
from calibench.evaluation.judge import judge
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics
from calibench.metrics.set_coverage import SetCoverage
from calibench.metrics.set_size import SetSize
from calibench.outputs.decisions import Decisions
from calibench.recipe.posthoc import PostHoc
from calibench.records.store import read_predictions, read_records
from calibench_methods.decisions.conformal import Conformal

pytestmark = pytest.mark.usefixtures("one_thread")
CIFAR100 = Path("/work/shared/data/cifar100_test_probs.npz")
METHODS = ("lac", "aps", "raps")
ONE_IN_A_THOUSAND = 0.001


def drawn(n: int, k: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Over-confident probabilities, which conformal sets must not trust."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    logits = rng.normal(size=(n, k)) * 3
    logits[np.arange(n), labels] += rng.exponential(3.0, size=n)
    return torch.tensor(logits).softmax(1), torch.tensor(labels)


def rule(method: str, k: int, **options: object) -> Conformal:
    more = {"k_reg": 2, "penalty": 0.05} if method == "raps" else {}
    built = Conformal(method, **{**more, **options})  # type: ignore[arg-type]
    built.check(k)
    return built


def score_by_hand(p: np.ndarray, k: int, method: str, u: float, penalty: float = 0.05, k_reg: int = 2) -> float:
    """s(x, k) of one row, ranks by probability and then by index."""
    if method == "lac":
        return 1 - p[k]
    order = sorted(range(len(p)), key=lambda j: (-p[j], j))
    rank = order.index(k) + 1
    score = sum(p[j] for j in order[: rank - 1]) + u * p[k]
    return score + (penalty * max(0, rank - k_reg) if method == "raps" else 0)


@pytest.mark.parametrize(
    ("method", "randomized"), [("lac", False), ("aps", True), ("aps", False), ("raps", True), ("raps", False)]
)
def test_sets_are_those_of_the_formula(method: str, randomized: bool) -> None:
    built = rule(method, 5, alpha=0.2, **({} if method == "lac" else {"randomized": randomized}))
    cal, labels = drawn(60, 5, seed=0)
    test, _ = drawn(40, 5, seed=1)
    cal[:20] = (cal[:20] * 10).round()  # ties in a row
    cal /= cal.sum(dim=1, keepdim=True)
    torch.manual_seed(7)
    fitted = json.loads(json.dumps(built.fit(Outputs(cal, True), labels), allow_nan=False))
    said = built.decide(Outputs(test, True), fitted)
    torch.manual_seed(7)
    u_cal, u_test = (torch.rand(n, 1, dtype=torch.float64)[:, 0].tolist() for n in (60, 40))
    if not randomized:
        u_cal, u_test = [1.0] * 60, [1.0] * 40
    scores = sorted(score_by_hand(p, y, method, u) for p, y, u in zip(cal.numpy(), labels.tolist(), u_cal, strict=True))
    assert fitted["rank"] == math.ceil(61 * 0.8) == 49
    assert fitted["quantile"] == pytest.approx(scores[48], abs=1e-12)
    for row, (p, u) in enumerate(zip(test.numpy(), u_test, strict=True)):
        found = [k for k in range(5) if score_by_hand(p, k, method, u) <= scores[48] + 1e-12]
        assert said.sets is not None
        assert said.sets[row].nonzero()[:, 0].tolist() == found
        assert int(said.answers[row]) == (found[0] if len(found) == 1 else -1)


def test_the_rank_is_counted_in_fractions_and_too_few_samples_rule_nothing_out() -> None:
    probs, labels = drawn(30, 3, seed=2)
    for n, alpha, rank in ((9, 0.1, 9), (19, 0.05, 19), (10, 0.1, 10), (29, 0.3, 21), (30, 1 / 3, 21)):
        assert Conformal("lac", alpha).fit(Outputs(probs[:n], True), labels[:n])["rank"] == rank, (n, alpha)
    built = Conformal("lac", 0.1)
    fitted = json.loads(json.dumps(built.fit(Outputs(probs[:8], True), labels[:8]), allow_nan=False))
    assert (fitted["rank"], fitted["quantile"], fitted["at_least"]) == (9, None, 1)
    assert "needs 9" in fitted["note"]
    said = built.decide(Outputs(probs, True), fitted)
    assert said.sets is not None
    assert said.sets.all()
    assert (said.answers == -1).all()


def test_limit_cases() -> None:
    probs, labels = drawn(500, 4, seed=3)
    outputs = Outputs(probs, True)
    # A penalty that nothing but the first k_reg ranks survives, and none at all.
    torch.manual_seed(0)
    aps = rule("aps", 4)
    plain = aps.fit(outputs, labels)["quantile"]
    torch.manual_seed(0)
    assert rule("raps", 4, penalty=0.0).fit(outputs, labels)["quantile"] == plain
    many = {}
    for penalty in (0.0, 10.0):
        built = rule("raps", 4, penalty=penalty, alpha=0.3)
        said = built.decide(outputs, built.fit(outputs, labels))
        assert said.sets is not None
        many[penalty] = int((said.sets.sum(dim=1) > 2).sum())
    assert many[10.0] == 0 < many[0.0]
    exact = Outputs(torch.eye(4, dtype=torch.float64)[labels], True)
    sure = Conformal("lac", 0.1)
    assert torch.equal(sure.decide(exact, sure.fit(exact, labels)).answers, labels)
    # Not randomised, the sets of aps hold everything above their least probable member.
    built = rule("aps", 4, randomized=False)
    said = built.decide(outputs, built.fit(outputs, labels))
    ranked = said.sets.gather(1, probs.argsort(dim=1, descending=True, stable=True))  # type: ignore[union-attr]
    assert (ranked[:, :-1] >= ranked[:, 1:]).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_the_last_of_all_ranks_is_one_tie_whatever_the_sums_round_to(dtype: torch.dtype) -> None:
    """Its score is 1 in every row; where that is the quantile, every set holds every class."""
    probs, _ = drawn(300, 7, seed=6)
    outputs = Outputs(probs.to(dtype), True)
    last = outputs.scores.double().argsort(dim=1, descending=True, stable=True)[:, -1]
    built = rule("aps", 7, randomized=False)
    fitted = built.fit(outputs, last)
    assert fitted["quantile"] == 1
    sets = built.decide(outputs, fitted).sets
    assert sets is not None
    assert sets.all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("alpha=0", "not between 0 and 1"),
        ("alpha=1", "not between 0 and 1"),
        ("alpha=1.5", "outside"),
        ("method=lac,randomized=true", "lac draws nothing"),
        ("method=aps,penalty=0.1", "aps takes no penalty"),
        ("method=lac,k_reg=1", "lac takes no k_reg"),
        ("method=raps,k_reg=4", "raps would be aps"),
        ("method=raps", "k_reg=5 penalises no set of 4"),
        ("method=best", "not one of its choices"),
    ],
)
def test_options_that_do_nothing_are_refused(options: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        PostHoc(resolve_chain(f"conformal:{options}", ("decision",), "--fit"), 4)
    assert error.value.hint


# --- coverage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("alpha", [0.1, 0.25])
def test_coverage_over_repeated_draws_is_the_beta_law_of_the_rank(method: str, alpha: float) -> None:
    """200 cal sets of 99: coverage given cal is Beta(rank, 100 - rank), so n test hits are Beta-Binomial, and KS sees it.

    Scores are untied in all three methods here, so that the law is exact and not only a bound.
    """
    rng = np.random.default_rng(5)
    probs, labels = drawn(60_000, 6, seed=4)
    covered, tests = [], 600
    torch.manual_seed(0)
    for _ in range(200):
        rows = torch.tensor(rng.choice(60_000, size=99 + tests, replace=False))
        cal, test = rows[:99], rows[99:]
        built = rule(method, 6, alpha=alpha)
        fitted = built.fit(Outputs(probs[cal], True), labels[cal])
        sets = built.decide(Outputs(probs[test], True), fitted).sets
        assert sets is not None
        covered.append(int(sets.gather(1, labels[test][:, None]).sum()))
    rank = fitted["rank"]
    law = stats.betabinom(tests, rank, 100 - rank)
    assert fitted["at_least"] == rank / 100 >= 1 - alpha
    error = law.std() / math.sqrt(200)
    assert np.mean(covered) == pytest.approx(law.mean(), abs=3.3 * error)
    assert stats.kstest(covered, law.cdf).pvalue > ONE_IN_A_THOUSAND
    assert np.std(covered) == pytest.approx(law.std(), rel=0.2)


def test_coverage_of_a_real_file_stays_in_its_band() -> None:
    """CIFAR-100, 60 splits of 1 000 to fit and 1 000 to judge: the mean within 3.3 standard errors of rank / (n + 1).

    99.9 % of single splits must lie in the Beta-Binomial band, of which at most 1 of 60 may miss.
    """
    if not CIFAR100.is_file():
        pytest.skip(f"there is no {CIFAR100}")
    with np.load(CIFAR100) as file:
        probs, labels = torch.tensor(file["densenet_bc_100"]), torch.tensor(file["label"].astype(np.int64))
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    for method in METHODS:
        covered, size = [], []
        for _ in range(60):
            rows = torch.tensor(rng.choice(len(labels), size=2000, replace=False))
            cal, test = rows[:1000], rows[1000:]
            built = Conformal(method, 0.1)
            fitted = built.fit(Outputs(probs[cal], True), labels[cal])
            sets = built.decide(Outputs(probs[test], True), fitted).sets
            assert sets is not None
            covered.append(int(sets.gather(1, labels[test][:, None]).sum()))
            size.append(float(sets.sum(dim=1).double().mean()))
        law = stats.betabinom(1000, fitted["rank"], 1001 - fitted["rank"])
        low, high = law.ppf(0.0005), law.ppf(0.9995)
        assert sum(not low <= c <= high for c in covered) <= 1, method
        # Splits share samples, which narrows the spread of their mean; the bound for independent ones holds.
        assert np.mean(covered) == pytest.approx(law.mean(), abs=3.3 * law.std() / math.sqrt(10)), method
        assert 1 < np.mean(size) < 30, "sets that hold everything would cover too"


@pytest.mark.parametrize("calibrator", ["temperature", "isotonic"])
def test_a_calibrator_of_the_same_recipe_costs_no_coverage(calibrator: str) -> None:
    """isotonic, fitted on the samples that q comes from, covered 83 % of CIFAR-100 where 90 % were promised."""
    probs, labels = drawn(8000, 8, seed=9)
    rng = np.random.default_rng(1)
    missed, over = [], 0
    for _ in range(40):
        rows = torch.tensor(rng.permutation(8000))
        cal, test = rows[:300], rows[300:]
        chain = PostHoc(resolve_chain(f"{calibrator}+conformal", ("calibrator", "decision"), "--fit"), 8)
        chain.fit(Outputs(probs[cal], True), labels[cal])
        said = chain.decide(chain.apply(Outputs(probs[test], True)))
        assert said is not None
        assert said.sets is not None
        missed.append(1 - float(said.sets.gather(1, labels[test][:, None]).double().mean()))
        chain = PostHoc(
            resolve_chain(f"{calibrator}+threshold:target_risk=0.2", ("calibrator", "decision"), "--fit"), 8
        )
        chain.fit(Outputs(probs[cal], True), labels[cal])
        said = chain.decide(chain.apply(Outputs(probs[test], True)))
        assert said is not None
        kept = said.answers >= 0
        over += bool((said.answers != labels[test])[kept].double().mean() > 0.2)
    spread = stats.beta(136, 15).std()  # the coverage given 150 samples is at least a Beta(136, 15)
    assert np.mean(missed) < 1 - 136 / 151 + 3.3 * spread / math.sqrt(40)
    assert over <= stats.binom.ppf(0.999, 40, 0.05)


def test_only_a_promise_halves_the_samples() -> None:
    probs, labels = drawn(101, 4, seed=1)
    outputs = Outputs(probs, True)

    def fitted(recipe: str, rows: torch.Tensor) -> list[dict]:
        chain = PostHoc(resolve_chain(recipe, ("calibrator", "decision"), "--fit"), 4)
        return chain.fit(Outputs(probs[rows], True), labels[rows])

    torch.manual_seed(3)
    both = PostHoc(resolve_chain("temperature+conformal", ("calibrator", "decision"), "--fit"), 4)
    scaled, rule_of = both.fit(outputs, labels)
    torch.manual_seed(3)
    order = torch.randperm(101)
    fresh, rest = order[:50], order[50:]
    assert scaled["temperature"] == fitted("temperature", rest)[0]["temperature"]
    assert rule_of["n_scores"] == rule_of["fresh_samples"] == 50
    mapped = Outputs(Outputs(probs[fresh], True).logits() / scaled["temperature"])
    assert rule_of["quantile"] == Conformal().fit(mapped, labels[fresh])["quantile"]
    whole = fitted("temperature", torch.arange(101))[0]["temperature"]
    for plain in ("threshold:value=0.6", "threshold:metric=f1", "threshold:target_risk=0.2,guarantee=none"):
        learned = fitted(f"temperature+{plain}", torch.arange(101))
        assert learned[0]["temperature"] == whole, plain
        assert "fresh_samples" not in learned[-1]
    with pytest.raises(RunError, match="cannot be halved"):
        fitted("temperature+conformal", torch.arange(1))


@given(seed=st.integers(0, 10_000), n=st.integers(5, 60), k=st.integers(2, 5), alpha=st.sampled_from([0.05, 0.2, 0.5]))
@settings(max_examples=60, deadline=None)
def test_on_cal_itself_at_least_the_rank_is_covered(seed: int, n: int, k: int, alpha: float) -> None:
    """Not randomised, so that cal's scores are those that were fitted; ties may cover more. Smaller alpha, larger sets."""
    probs, labels = drawn(n, k, seed)
    outputs = Outputs((probs * 8).round().clamp_min(1e-3) / 8, True)
    outputs = Outputs(outputs.scores / outputs.scores.sum(dim=1, keepdim=True), True)
    for method in ("lac", "aps"):
        more = {} if method == "lac" else {"randomized": False}
        built, wider = rule(method, k, alpha=alpha, **more), rule(method, k, alpha=alpha / 2, **more)
        fitted = built.fit(outputs, labels)
        sets, larger = built.decide(outputs, fitted).sets, wider.decide(outputs, wider.fit(outputs, labels)).sets
        assert sets is not None
        assert larger is not None
        assert sets.gather(1, labels[:, None]).sum() >= min(fitted["rank"], n)
        assert (larger | ~sets).all()


# --- metrics of sets -----------------------------------------------------------------------------------------------


def test_coverage_and_size_by_hand() -> None:
    sets = torch.tensor([[1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 0]]).bool()
    probs = Outputs(torch.full((5, 3), 1 / 3, dtype=torch.float64), True)
    said = Decisions(torch.tensor([-1, -1, -1, 1, 0]), sets=sets, targets={"set_coverage": 0.5})
    judged = Judged(probs, torch.tensor([1, 0, 0, 1, 1]), said)
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


def test_a_record_of_a_rule_without_sets_has_no_set_figures() -> None:
    probs, labels = drawn(50, 3, seed=0)
    plain = judge(Judged(Outputs(probs, True), labels, Decisions(probs.argmax(dim=1))), load_metrics())
    assert "selective_risk" in plain.metrics
    assert not {"set_coverage", "set_size", "mean_cost"} & set(plain.metrics)


# --- the command line ----------------------------------------------------------------------------------------------


def test_a_run_stores_its_sets_and_what_they_reached(cli, features, tmp_path: Path) -> None:
    where = ("-d", "npz:path=features.npz", "--model", "frozen")
    document = cli("run", "--method", "ce+temperature+conformal:alpha=0.1", *where, "--json").document
    [record] = read_records(tmp_path / "results")
    held = read_predictions(tmp_path / "results", record)
    sets, labels = held["test.sets"], held["test.labels"]
    assert (sets.dtype, sets.shape) == (bool, (120, 3))
    assert document["metrics"]["set_coverage"] == pytest.approx(sets[np.arange(120), labels].mean())
    assert document["metrics"]["set_size"] == pytest.approx(sets.sum(axis=1).mean())
    np.testing.assert_array_equal(held["test.decisions"], np.where(sets.sum(axis=1) == 1, sets.argmax(axis=1), -1))
    assert document["fitted"][-1]["at_least"] >= 0.9
    details = document["details"]["set_coverage"]
    assert details["target"] == 0.9
    assert details["reached"] == (document["metrics"]["set_coverage"] >= 0.9)
    low, high = document["intervals"]["set_coverage"]
    assert low <= document["metrics"]["set_coverage"] <= high
    assert document["fitted"][-1]["fresh_samples"] == len(held["cal.labels"]) // 2


def test_the_quantile_is_that_of_the_stored_cal_split(cli, features, tmp_path: Path) -> None:
    """In the precision that is stored."""
    where = ("-d", "npz:path=features.npz", "--model", "frozen")
    document = cli("run", "--method", "ce+conformal", *where, "--json").document
    [record] = read_records(tmp_path / "results")
    held = read_predictions(tmp_path / "results", record)
    z = held["cal.logits"].astype(np.float64)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    scores = np.sort(1 - p[np.arange(len(p)), held["cal.labels"]])
    assert document["fitted"][-1]["quantile"] == pytest.approx(scores[math.ceil(0.9 * (len(p) + 1)) - 1], abs=1e-12)


def test_random_sets_are_seeded_and_another_seed_draws_others(cli, features) -> None:
    where = ("-d", "npz:path=features.npz", "--model", "frozen", "--json")
    recipe = "ce+conformal:method=aps,alpha=0.2"
    first = cli("run", "-m", recipe, *where, "--results", "a").document
    again = cli("run", "-m", recipe, *where, "--results", "b").document
    other = cli("run", "-m", recipe, *where, "--results", "c", "-s", "1").document
    assert first["metrics"] == again["metrics"]
    assert first["fitted"] == again["fitted"]
    assert first["fitted"] != other["fitted"]


def test_evaluate_wants_samples_to_fit_on(cli, refused, good, tmp_path: Path, samples) -> None:
    refused("evaluate", good, "--fit", "conformal:alpha=0.1", says="needs samples to fit on", hint="--fit-on")
    logits, labels = samples(300, seed=5)
    np.savez(tmp_path / "val.npz", logits=logits, labels=labels)
    fit = "temperature+conformal:method=raps,alpha=0.1,k_reg=1"
    after = cli("evaluate", good, "--fit", fit, "--fit-on", "val.npz", "--json").document["after"]
    assert 0.75 < after["metrics"]["set_coverage"] <= 1
    assert len(after["details"]["set_coverage"]["per_class_low"]) == 3


def test_sets_of_the_wrong_kind_are_blamed_on_the_rule() -> None:
    chain = PostHoc(resolve_chain("conformal", ("decision",), "--fit"), 3)
    assert chain.rule is not None
    built = chain.rule[1]
    built.decide = lambda outputs, fitted: Decisions(torch.zeros(2, dtype=torch.int64), sets=torch.ones(2, 3))  # type: ignore[method-assign]
    with pytest.raises(RunError, match="method 'conformal' decided something else"):
        chain.decide(Outputs(torch.zeros(2, 3)))
