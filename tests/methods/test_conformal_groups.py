"""`conformal:per=class` and `per=cluster`: quantiles by loops, coverage of each class over repeated draws, and what is said."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from decision_cases import CIFAR100, fit, post_hoc
from scipy import stats

from calibench import InputError, Outputs
from calibench_methods.decisions.conformal import Conformal
from calibench_methods.decisions.conformal_groups import LEVELS, enough

K = 4


def unequal_classes(n: int, seed: int, k: int = K, hard: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities of k classes of which the last `hard` are recognised badly, so that marginal sets leave them out."""
    rng = np.random.default_rng(seed)
    y = rng.integers(k, size=n)
    logits = rng.normal(size=(n, k))
    logits[np.arange(n), y] += np.where(y >= k - hard, 0.7, 4.0)
    return torch.tensor(logits).softmax(1), torch.tensor(y)


def sets_of(rule: Conformal, fitted: dict[str, Any], probs: torch.Tensor) -> np.ndarray:
    sets = rule.decide(Outputs(probs, True), fitted).sets
    assert sets is not None
    return sets.numpy()


def quantile(scores: np.ndarray, alpha: float) -> float:
    rank = math.ceil((len(scores) + 1) * (1 - alpha) - 1e-12)
    return math.inf if rank > len(scores) else float(np.sort(scores)[rank - 1])


@pytest.mark.parametrize("method", ["lac", "aps"])
def test_each_class_has_the_quantile_of_its_own_samples(method: str) -> None:
    probs, y = unequal_classes(200, seed=0)
    options = {} if method == "lac" else {"randomized": False}
    rule = Conformal(method, 0.2, per="class", **options)  # type: ignore[arg-type]
    fitted = fit(rule, Outputs(probs, True), y)
    p = probs.numpy()
    scores = 1 - p if method == "lac" else np.array([[row[row >= row[k]].sum() for k in range(K)] for row in p])
    expected = [quantile(scores[y.numpy() == k, k], 0.2) for k in range(K)]
    assert fitted["quantiles"] == pytest.approx(expected, abs=1e-11)
    assert fitted["scores_per_class"] == np.bincount(y, minlength=K).tolist()
    np.testing.assert_array_equal(sets_of(rule, fitted, probs), scores <= np.array(expected) + 1e-11)


def test_a_class_with_too_few_samples_is_in_every_set_and_is_named() -> None:
    probs, y = unequal_classes(200, seed=1)
    few = (y != 3) | (torch.arange(200) < 20)
    rule = Conformal("lac", 0.1, per="class")
    assert enough(0.1) == 9
    fitted = fit(rule, Outputs(probs[few], True), y[few])
    assert int((y[few] == 3).sum()) < 9
    assert fitted["quantiles"][3] is None
    assert all(q is not None for q in fitted["quantiles"][:3])
    assert "class 3 has fewer than the 9 samples that alpha 0.1 needs: every set contains it" in fitted["note"]
    assert sets_of(rule, fitted, probs)[:, 3].all()
    none = fit(rule, Outputs(probs[y < 2], True), y[y < 2])
    assert "classes 2, 3 have fewer" in none["note"]
    assert fitted["at_least"] >= 0.9


@pytest.mark.slow
def test_every_class_is_covered_and_not_only_the_mean() -> None:
    """300 cal sets of 240; the coverage of a class with n samples has mean rank / (n + 1). Marginal sets miss the hard classes."""
    probs, y = unequal_classes(40_000, seed=2)
    labels = y.numpy()
    rng = np.random.default_rng(3)
    gap = {"class": np.zeros((300, K)), "all": np.zeros((300, K))}
    for per, found in gap.items():
        rule = Conformal("lac", 0.2, per=per)
        for draw in range(300):
            cal = torch.tensor(rng.choice(20_000, size=240, replace=False))
            fitted = rule.fit(Outputs(probs[cal], True), y[cal])
            hits = sets_of(rule, fitted, probs[20_000:])[np.arange(20_000), labels[20_000:]]
            covered = np.bincount(labels[20_000:], hits, K) / np.bincount(labels[20_000:], minlength=K)
            if per == "class":
                n = np.array(fitted["scores_per_class"])
                covered = covered - np.ceil((n + 1) * 0.8 - 1e-9) / (n + 1)
            found[draw] = covered
    # The SD of one coverage is about sqrt(.8 .2 / 61) = .05; 20 000 test samples have .006 of their own, the same in all draws.
    assert np.abs(gap["class"].mean(axis=0)).max() < 3.3 * 0.05 / math.sqrt(300) + 3.3 * 0.006
    assert gap["all"].mean(axis=0).min() < 0.7


def test_clusters_find_classes_with_like_scores() -> None:
    """40 classes of two kinds: k-means must not mix the kinds, and each cluster has the quantile of its samples."""
    k, alpha = 40, 0.1
    probs, y = unequal_classes(6000, seed=4, k=k, hard=20)
    rule = Conformal("lac", alpha, per="cluster")
    torch.manual_seed(5)
    fitted = fit(rule, Outputs(probs, True), y)
    torch.manual_seed(5)
    draws = torch.rand(6000, dtype=torch.float64).numpy()
    least = int(np.bincount(y).min())  # above 9, so that every class counts
    for_clusters = int(least * k / (75 + k))
    first = draws < for_clusters / least
    clusters = np.array(fitted["clusters"])
    assert fitted["cluster_samples"] == first.sum()
    assert set(clusters[:20].tolist()) & set(clusters[20:].tolist()) == set()
    assert len(set(clusters.tolist())) == for_clusters // 2
    scores, labels = 1 - probs.numpy()[~first], y.numpy()[~first]
    own = scores[np.arange(len(labels)), labels]
    for c in set(clusters.tolist()):
        expected = quantile(own[clusters[labels] == c], alpha)
        assert {fitted["quantiles"][j] for j in np.flatnonzero(clusters == c)} == {expected}
    assert LEVELS == (0.5, 0.6, 0.7, 0.8, 0.9)


def test_with_many_samples_each_class_is_its_own_cluster() -> None:
    probs, y = unequal_classes(3000, seed=4, k=5)
    by_cluster = fit(Conformal("lac", 0.1, per="cluster"), Outputs(probs, True), y)
    by_class = fit(Conformal("lac", 0.1, per="class"), Outputs(probs, True), y)
    assert by_cluster == {**by_class, "clusters": [0, 1, 2, 3, 4]}


def test_too_few_samples_for_clusters_share_one_quantile_and_say_so() -> None:
    probs, y = unequal_classes(300, seed=6, k=10)
    rule = Conformal("lac", 0.1, per="cluster")
    fitted = fit(rule, Outputs(probs, True), y)
    assert len(set(fitted["quantiles"])) == 1
    assert "too few to cluster 10 classes: all share one quantile" in fitted["note"]
    assert fitted["n_scores"] == 300
    alone = fit(Conformal("lac", 0.1), Outputs(probs, True), y)
    assert fitted["quantiles"][0] == alone["quantile"]


def test_two_classes_cannot_be_clustered() -> None:
    with pytest.raises(InputError, match="cannot be clustered"):
        post_hoc("conformal:per=cluster", 2)
    with pytest.raises(InputError, match="not one of its choices"):
        post_hoc("conformal:per=sample", 4)


@pytest.mark.slow
@pytest.mark.skipif(not CIFAR100.is_file(), reason=f"there is no {CIFAR100}")
def test_clusters_cover_the_classes_of_cifar100_better_than_one_quantile() -> None:
    """5 000 rows to fit, 50 a class: the mean gap of class coverage falls, and sets stay smaller than those of per=class."""
    with np.load(CIFAR100) as file:
        probs, labels = torch.tensor(file["densenet_bc_100"]), torch.tensor(file["label"].astype(np.int64))
    torch.manual_seed(0)
    gaps: dict[str, list[float]] = {"all": [], "class": [], "cluster": []}
    sizes: dict[str, list[float]] = {"all": [], "class": [], "cluster": []}
    for seed in range(4):
        order = torch.tensor(np.random.default_rng(seed).permutation(len(labels)))
        cal, test = order[:5000], order[5000:]
        for per in ("all", "class", "cluster"):
            rule = Conformal("lac", 0.1, per=per)
            sets = sets_of(rule, rule.fit(Outputs(probs[cal], True), labels[cal]), probs[test])
            y = labels[test].numpy()
            covered = np.bincount(y, sets[np.arange(len(y)), y], 100) / np.bincount(y, minlength=100)
            gaps[per].append(float(np.abs(covered - 0.9).mean()))
            sizes[per].append(float(sets.sum(axis=1).mean()))
    assert np.mean(gaps["cluster"]) < np.mean(gaps["all"])
    assert np.mean(sizes["cluster"]) < np.mean(sizes["class"])


@pytest.mark.slow
def test_the_law_of_a_class_is_the_beta_binomial() -> None:
    """Class 0 alone: given n_0 = 30 samples, the coverage is Beta(rank, n + 1 - rank)."""
    probs, y = unequal_classes(30_000, seed=7)
    of_class = torch.nonzero(y == 0)[:, 0]
    rng = np.random.default_rng(8)
    rule, hits = Conformal("lac", 0.2, per="class"), []
    others = torch.nonzero(y != 0)[:90, 0]
    for _ in range(200):
        rows = torch.tensor(rng.choice(of_class.numpy(), size=330, replace=False))
        cal = torch.cat([rows[:30], others])
        fitted = rule.fit(Outputs(probs[cal], True), y[cal])
        hits.append(int(sets_of(rule, fitted, probs[rows[30:]])[:, 0].sum()))
    law = stats.betabinom(300, 25, 31 - 25)
    assert stats.kstest(hits, law.cdf).pvalue > 0.001
