"""Every OOD score of features against its formula in float64 numpy, with scikit-learn's estimators where it has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.covariance import EmpiricalCovariance
from sklearn.neighbors import NearestNeighbors
from torch import nn

from calibench import InputError, OodScore
from calibench.plugins.discovery import registry
from calibench.plugins.specs import OodScoreSpec
from calibench.seeds import seeded
from calibench.stages import OodTask
from calibench_methods.ood_scores.ash import ASH
from calibench_methods.ood_scores.gradnorm import GradNorm
from calibench_methods.ood_scores.knn import KNN
from calibench_methods.ood_scores.mahalanobis import Mahalanobis
from calibench_methods.ood_scores.react import ReAct
from calibench_methods.ood_scores.vim import ViM

N, D, K = 120, 12, 4
LABELS = np.arange(N) % K


def features(n: int, seed: int) -> np.ndarray:
    """Features after a ReLU, with one class mean for each remainder of the row's number."""
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(size=(n, D)) + 2 * np.eye(D)[np.arange(n) % K], 0)


TRAIN, TEST = features(N, 0), features(30, 1)
WEIGHT, BIAS = (np.random.default_rng(2).normal(size=size) for size in ((K, D), K))


def head() -> nn.Linear:
    layer = nn.Linear(D, K).double()
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(WEIGHT))
        layer.bias.copy_(torch.from_numpy(BIAS))
    return layer


def task(train: np.ndarray = TRAIN, layer: nn.Module | None = None) -> OodTask:
    return OodTask(
        torch.from_numpy(train), torch.from_numpy(LABELS[: len(train)]), K, head() if layer is None else layer
    )


def scored(score: OodScore, rows: np.ndarray = TEST, train: np.ndarray = TRAIN) -> np.ndarray:
    score.fit(task(train))
    return score.uncertainty(torch.from_numpy(rows)).numpy()


def energy(rows: np.ndarray) -> np.ndarray:
    return -logsumexp(rows @ WEIGHT.T + BIAS, axis=1)


def test_mahalanobis_is_the_distance_to_the_nearest_class_mean() -> None:
    means = np.stack([TRAIN[k == LABELS].mean(0) for k in range(K)])
    tied = EmpiricalCovariance(assume_centered=True).fit(TRAIN - means[LABELS])
    by_class = np.stack([EmpiricalCovariance.mahalanobis(_at(tied, mean), TEST) for mean in means])
    np.testing.assert_allclose(scored(Mahalanobis(False)), by_class.min(0), rtol=1e-9)
    whole = EmpiricalCovariance().fit(TRAIN)
    np.testing.assert_allclose(
        scored(Mahalanobis(True)), by_class.min(0) - whole.mahalanobis(TEST), rtol=1e-8, atol=1e-9
    )


def _at(estimator: Any, mean: np.ndarray) -> Any:
    estimator.location_ = mean
    return estimator


def test_mahalanobis_ignores_dead_features_and_absent_classes() -> None:
    def dead(rows: np.ndarray) -> np.ndarray:
        return np.hstack([rows, np.zeros((len(rows), 3))])

    np.testing.assert_allclose(
        scored(Mahalanobis(False), dead(TEST), dead(TRAIN)), scored(Mahalanobis(False)), rtol=1e-8
    )
    score = Mahalanobis(False)
    rows = LABELS != 1
    score.fit(OodTask(torch.from_numpy(TRAIN[rows]), torch.from_numpy(LABELS[rows]), K, head()))
    assert np.isfinite(score.uncertainty(torch.from_numpy(TEST)).numpy()).all()
    assert len(score.means) == K - 1


@pytest.mark.parametrize("k", [1, 5, 50])
def test_knn_is_the_distance_to_the_kth_neighbour_of_unit_length(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def unit(rows: np.ndarray) -> np.ndarray:
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    distances, _ = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(unit(TRAIN)).kneighbors(unit(TEST))
    np.testing.assert_allclose(scored(KNN(k)), distances[:, -1], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(scored(KNN(k), 3 * TEST), distances[:, -1], rtol=1e-7, atol=1e-9)
    monkeypatch.setattr("calibench_methods.ood_scores.knn.BLOCK", 7 * N)
    np.testing.assert_allclose(scored(KNN(k)), distances[:, -1], rtol=1e-7, atol=1e-9)
    assert np.isfinite(scored(KNN(k), np.zeros((2, D)))).all()
    with pytest.raises(InputError, match="120 training rows, fewer than k=121"):
        scored(KNN(121))


@pytest.mark.parametrize("dim", [None, 3, 11])
def test_vim_is_the_virtual_logit_against_the_energy(dim: int | None) -> None:
    principal = dim or D // 2
    origin = -np.linalg.pinv(WEIGHT) @ BIAS
    covariance = EmpiricalCovariance(assume_centered=True).fit(TRAIN - origin).covariance_
    values, vectors = np.linalg.eigh(covariance)
    residual = vectors[:, np.argsort(-values)[principal:]]

    def norm(rows: np.ndarray) -> np.ndarray:
        return np.linalg.norm((rows - origin) @ residual, axis=1)

    alpha = (TRAIN @ WEIGHT.T + BIAS).max(1).mean() / norm(TRAIN).mean()
    np.testing.assert_allclose(scored(ViM(dim)), alpha * norm(TEST) + energy(TEST), rtol=1e-8, atol=1e-9)


def test_vim_refuses_an_empty_residual_space() -> None:
    with pytest.raises(InputError, match="dim=12 leaves nothing of 12 features"):
        scored(ViM(12))
    flat = TRAIN.copy()
    flat[:, 6:] = 0.0
    layer = head()
    with torch.no_grad():
        layer.bias.zero_()  # then the origin is 0, and rows lie in 6 dimensions
    with pytest.raises(InputError, match="nothing outside 8 principal directions"):
        ViM(8).fit(task(flat, layer))


def test_react_is_the_energy_of_clipped_features() -> None:
    cut = np.percentile(TRAIN, 80)
    assert (cut < TEST).any()
    np.testing.assert_allclose(scored(ReAct(80.0)), energy(np.minimum(TEST, cut)), rtol=1e-10)
    inside = np.minimum(TEST, TRAIN.max())
    np.testing.assert_allclose(scored(ReAct(100.0), inside), energy(inside), rtol=1e-10)


@pytest.mark.parametrize("variant", ["s", "b", "p"])
@pytest.mark.parametrize("percentile", [0.0, 50.0, 90.0])
def test_ash_prunes_and_scales_each_row(variant: str, percentile: float) -> None:
    kept = D - round(D * percentile / 100)
    shaped = np.zeros_like(TEST)
    for i, row in enumerate(TEST):
        largest = np.argsort(-row, kind="stable")[:kept]
        total = row.sum()
        values = {
            "p": row[largest],
            "s": row[largest] * np.exp(total / row[largest].sum()),
            "b": np.full(kept, total / kept),
        }
        shaped[i, largest] = values[variant]
    np.testing.assert_allclose(scored(ASH(variant, percentile)), energy(shaped), rtol=1e-9, atol=1e-9)
    if (variant, percentile) == ("p", 0.0):
        np.testing.assert_allclose(scored(ASH(variant, percentile)), energy(TEST), rtol=1e-10)
    np.testing.assert_allclose(scored(ASH(variant, percentile), np.zeros((1, D))), energy(np.zeros((1, D))), rtol=1e-10)


def test_ash_refuses_negative_features_and_a_percentile_that_leaves_none() -> None:
    with pytest.raises(InputError, match="some training features are negative"):
        scored(ASH("s", 50.0), train=TRAIN - 1)
    with pytest.raises(InputError, match="percentile=99 leaves none of 12 features"):
        scored(ASH("s", 99.0))


def test_gradnorm_is_the_norm_of_the_gradient_that_autograd_finds() -> None:
    layer, norms = head(), []
    for row in torch.from_numpy(TEST):
        layer.zero_grad()
        (-layer(row).log_softmax(0).mean()).backward()  # KL(uniform || p) up to a constant
        assert layer.weight.grad is not None
        norms.append(float(layer.weight.grad.abs().sum()))
    np.testing.assert_allclose(scored(GradNorm()), -np.array(norms), rtol=1e-9)


@pytest.mark.parametrize(
    "score", [ViM(None), ReAct(90.0), ASH("s", 50.0), GradNorm()], ids=lambda score: type(score).__name__
)
def test_scores_of_the_head_refuse_one_that_is_not_linear(score: OodScore) -> None:
    with pytest.raises(InputError, match="needs a linear layer on the features, and this recipe has a Sequential"):
        score.fit(task(layer=nn.Sequential(nn.Linear(D, K))))


def test_a_head_without_a_bias_has_a_bias_of_zeros() -> None:
    layer = nn.Linear(D, K, bias=False).double()
    score = GradNorm()
    score.fit(task(layer=layer))
    assert score.bias.tolist() == [0.0] * K


def test_every_score_is_large_for_rows_unlike_the_training_rows() -> None:
    """Distances and vim: rows far out in features that carry no class. The others: rows whose features are all faint."""
    with seeded(0):
        classifier = nn.Linear(D, K).double()
        optimizer = torch.optim.Adam(classifier.parameters(), 0.05)
        for _ in range(300):
            optimizer.zero_grad()
            nn.functional.cross_entropy(classifier(torch.from_numpy(TRAIN)), torch.from_numpy(LABELS)).backward()
            optimizer.step()
    far = np.hstack([np.full((30, K), 0.4), np.abs(np.random.default_rng(3).normal(size=(30, D - K))) * 1.5])
    specs = [entry.spec for entry in registry().all("ood-score") if entry.plugin.distribution == "calibench"]
    feature_scores = [spec for spec in specs if isinstance(spec, OodScoreSpec) and spec.of == "features"]
    assert [spec.name for spec in feature_scores] == ["ash", "gradnorm", "knn", "mahalanobis", "react", "vim"]
    for spec in feature_scores:
        assert spec.equation
        assert spec.paper
        assert all("\n" not in text for text in (spec.use_when, spec.avoid_when, spec.cost))
        small = {"knn": {"k": 5}, "ash": {"percentile": 50.0}}.get(spec.name, {})
        score = spec.load()(**{param.key: param.default for param in spec.params} | small)
        score.fit(task(layer=classifier))
        unlike = far if spec.name in {"knn", "mahalanobis", "vim"} else 0.2 * TEST
        inside, outside = (score.uncertainty(torch.from_numpy(rows)).numpy() for rows in (TEST, unlike))
        assert (inside[:, None] < outside[None]).mean() > 0.6, spec.name
