"""`feature-clipping` against its formula in float64, and its fitted threshold against a search over every threshold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pipeline_cases import members
from refit_cases import D, K, refit_task, softmax
from torch import nn

from calibench import InputError, Network
from calibench.cache.stage_cache import StageCache
from calibench.stages import RefitTask
from calibench_methods.refits.feature_clipping import FeatureClipping


def heavy_task() -> RefitTask:
    """Normal features of which a few are 30 times too large, with labels drawn from a head that saw the normal ones."""
    rng = np.random.default_rng(5)
    head = nn.Linear(D, K)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(rng.normal(size=(K, D)).astype(np.float32)))
        head.bias.zero_()
    x = rng.normal(size=(600, D)).astype(np.float32)
    probs = softmax(x @ head.weight.detach().numpy().T)
    y = np.array([rng.choice(K, p=row / row.sum()) for row in probs.astype(np.float64)])
    x[rng.random(x.shape) < 0.02] *= 30
    return refit_task(val_features=torch.from_numpy(x), val_labels=torch.from_numpy(y), original_head=head)


def clipped_probs(task: RefitTask, features: torch.Tensor, threshold: float) -> np.ndarray:
    weight, bias = (t.detach().double().numpy() for t in task.original_head.parameters())
    return softmax(np.clip(features.double().numpy(), -threshold, threshold) @ weight.T + bias)


def nll(task: RefitTask, threshold: float) -> float:
    probs = clipped_probs(task, task.val_features, threshold)
    return float(-np.log(probs[np.arange(len(probs)), task.val_labels.numpy()]).mean())


def ece15(task: RefitTask, threshold: float) -> float:
    probs = clipped_probs(task, task.val_features, threshold)
    confidence, right = probs.max(axis=1), probs.argmax(axis=1) == task.val_labels.numpy()
    bins = np.ceil(confidence * 15).astype(int)
    return float(sum(abs((confidence - right)[bins == b].sum()) for b in range(1, 16)) / len(right))


def fitted(method: FeatureClipping, task: RefitTask) -> tuple[nn.Module, dict[str, float]]:
    head = method.build(D, K)
    return head, method.fit(head, task)


@pytest.mark.parametrize("threshold", [0.0, 0.4, 1e9])
def test_outputs_are_the_trained_layer_on_clipped_features(threshold: float) -> None:
    method, task = FeatureClipping(threshold, None), refit_task()
    head, figures = fitted(method, task)
    probs = method.outputs(head, task.val_features).probs().numpy()
    np.testing.assert_allclose(probs, clipped_probs(task, task.val_features, threshold), rtol=1e-5, atol=1e-7)
    share = float((np.abs(task.val_features.numpy()) > threshold).mean())
    expected = {
        "threshold": threshold,
        "clipped": share,
        "val_nll": nll(task, threshold),
        "val_nll_unclipped": nll(task, np.inf),
    }
    assert figures == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("criterion", "figure"), [(None, nll), ("nll", nll), ("ece", ece15)])
def test_the_fitted_threshold_beats_an_exhaustive_search(criterion: str | None, figure: Any) -> None:
    """Of 2 000 thresholds, within a hundredth of what clipping gains at best."""
    task = heavy_task()
    _, figures = fitted(FeatureClipping(None, criterion), task)
    unclipped = figure(task, np.inf)
    best = min(figure(task, c) for c in np.linspace(0.01, float(task.val_features.abs().max()), 2000))
    reached = figure(task, figures["threshold"])
    assert best < 0.9 * unclipped  # there is something to gain
    assert reached <= best + 0.01 * (unclipped - best)
    assert 0 < figures["clipped"] < 0.2


def test_features_that_need_no_clipping_keep_the_largest_threshold_of_equal_ones() -> None:
    """A layer that ignores its features has the same NLL at every threshold."""
    task = refit_task()
    with torch.no_grad():
        task.original_head.weight.zero_()  # type: ignore[operator, union-attr]
    head, figures = fitted(FeatureClipping(None, None), task)
    assert figures["threshold"] == float(task.val_features.abs().max())
    assert figures["clipped"] == 0
    assert figures["val_nll"] == figures["val_nll_unclipped"]
    assert float(head.threshold) == figures["threshold"]  # type: ignore[arg-type]


def test_a_threshold_above_all_features_is_the_network_without_it(tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    plain = members("ce", cache=cache).run(("test",))["test"]
    same = members("feature-clipping:threshold=1e9", cache=cache).run(("test",))["test"]
    torch.testing.assert_close(same.scores, plain.scores, rtol=0, atol=0)
    cut = members("feature-clipping:threshold=0.1", cache=cache).run(("test",))["test"]
    assert not torch.allclose(cut.scores, plain.scores, atol=1e-3)


def test_outputs_from_the_cache_are_the_same(tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    cold = members("feature-clipping", cache=cache).run(("test",))["test"]
    warm = members("feature-clipping", cache=cache).run(("test",))["test"]
    assert cache.misses == ["stage1", "features", "stage2"]
    assert torch.equal(warm.scores, cold.scores)


@pytest.mark.parametrize("head", [nn.Sequential(nn.Linear(D, K)), nn.Linear(D, K, bias=False)], ids=["mlp", "no bias"])
def test_a_head_that_is_not_linear_with_a_bias_is_refused(head: nn.Module) -> None:
    with pytest.raises(InputError, match="feature-clipping needs a linear last layer"):
        FeatureClipping(None, None).check(Network(nn.Flatten(), head, D), (D,))


@pytest.mark.parametrize(("sampler", "layer"), [("batch-ensemble", "MemberLayer"), ("masksembles", "MaskedLayer")])
def test_a_converted_layer_is_refused_before_training(sampler: str, layer: str) -> None:
    with pytest.raises(InputError, match=f"this one is a {layer}"):
        members(f"feature-clipping+{sampler}", model="mlp:hidden=16")


def test_a_criterion_of_a_given_threshold_is_refused() -> None:
    with pytest.raises(InputError, match="criterion=ece would do nothing"):
        FeatureClipping(1.0, "ece")
