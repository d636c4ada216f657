"""label_draws against its definition, and the frequencies of its labels against their probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_backends import each_backend, needs_fused
from kernel_judging import (
    BINS,
    CLASSES,
    DTYPES,
    NEARLY_SURE,
    cells_of,
    factors_of,
    layouts,
    logits,
    probabilities,
    rows,
)
from scipy.stats import chi2, chisquare

from calibench import kernels
from calibench.kernels import reference

NONE = torch.empty(0, dtype=torch.float64)
ALL = torch.empty(0, dtype=torch.int32)
each_kind = pytest.mark.parametrize("from_probs", [False, True], ids=["logits", "probabilities"])


def draws_of(scores: torch.Tensor, draws: int, **keywords: Any) -> kernels.DrawnLabels:
    """Draws with one bin and one cell, so that labels are counted by class, [K, P]."""
    options = {"bins": 1, "cells": cells_of(len(scores), 1), "num_cells": 1, "first": 0, "seed": 7, **keywords}
    return kernels.label_draws(scores, draws=draws, **options)


def differing(actual: tuple[torch.Tensor, ...], expected: tuple[torch.Tensor, ...]) -> int:
    """How many labels are counted elsewhere, at most: each changes up to three counts."""
    return int(sum((a - b).abs().sum() for a, b in zip(actual, expected, strict=True)))


@needs_fused
@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("bins", BINS)
def test_labels_of_probabilities_equal_the_reference(dtype: torch.dtype, bins: int) -> None:
    for k in CLASSES:
        for n in (1, 2, 67):
            p, cells = probabilities(n, k, dtype), cells_of(n, 4)
            inputs = True, bins, NONE, ALL, cells, 4, (5 << 32) + 3, 13, (1 << 62) + 9
            expected = reference.label_draws(p, *inputs)
            actual = kernels.label_draws(
                p, bins, cells, 4, first=(5 << 32) + 3, draws=13, seed=inputs[-1], from_probs=True
            )
            assert torch.equal(actual.right, expected[0])
            assert torch.equal(actual.labels, expected[1])


@needs_fused
@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@each_kind
def test_labels_equal_the_reference_but_for_rounding(dtype: torch.dtype, from_probs: bool) -> None:
    """Where softmax or factors round otherwise, a word on the border of a share may select the neighbour: one in 2^31."""
    for k in CLASSES:
        scores, cells, factors = rows(67, k, dtype, from_probs), cells_of(67, 4), factors_of(k, 15)
        for given_factors in (None, factors):
            options = {"first": 2, "draws": 16, "seed": 3, "from_probs": from_probs, "factors": given_factors}
            inputs = from_probs, 15, NONE if given_factors is None else factors, ALL, cells, 4, 2, 16, 3
            expected = reference.label_draws(scores, *inputs)
            assert differing(kernels.label_draws(scores, 15, cells, 4, **options), expected) <= 3


@needs_fused
@pytest.mark.slow
@given(
    n=st.integers(0, 150),
    k=st.integers(1, 140),
    bins=st.integers(1, 20),
    cells=st.integers(1, 9),
    first=st.integers(0, 2**62),
    draws=st.integers(0, 17),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 2**63 - 1),
)
@settings(max_examples=80, deadline=None)
def test_any_probabilities_give_the_labels_of_the_reference(
    n: int, k: int, bins: int, cells: int, first: int, draws: int, dtype: torch.dtype, seed: int
) -> None:
    p, cell = probabilities(n, k, dtype, seed % 1000), cells_of(n, cells, seed)
    actual = kernels.label_draws(p, bins, cell, cells, first=first, draws=draws, seed=seed, from_probs=True)
    expected = reference.label_draws(p, True, bins, NONE, ALL, cell, cells, first, draws, seed)
    assert torch.equal(actual.right, expected[0])
    assert torch.equal(actual.labels, expected[1])
    assert (actual.labels.sum(dim=0) == n).all()


@each_backend
@each_kind
@pytest.mark.parametrize("bins", BINS)
def test_each_item_has_a_label_in_a_cell_of_its_row(from_probs: bool, bins: int) -> None:
    scores = rows(33, 6, torch.float32, from_probs)
    p = scores.double() if from_probs else scores.double().softmax(dim=1)
    index = np.digitize(p, np.arange(1, bins) / bins, right=True)
    for i in range(33):
        drawn = draws_of(scores[i : i + 1], 8, bins=bins, from_probs=from_probs)
        assert (drawn.labels.sum(dim=0) == 1).all()
        cell = drawn.labels.argmax(dim=0).numpy()
        assert (cell % bins == index[i, cell // bins]).all()
        top = scores[i].double().argmax().item()
        assert torch.equal(drawn.right[0] == 1, torch.from_numpy(cell // bins == top))
        assert (p[i, cell // bins] > 0).all()


@each_backend
def test_right_predictions_lie_in_the_cells_of_the_items() -> None:
    scores, cells = logits(300, 5), cells_of(300, 7)
    together = draws_of(scores, 8, cells=cells, num_cells=7)
    sure = 100 * torch.eye(5)[scores.argmax(dim=1)]
    assert torch.equal(draws_of(sure, 8, cells=cells, num_cells=7).right[:, 0], torch.bincount(cells).int())
    assert torch.equal(together.right.sum(dim=0), draws_of(scores, 8).right[0])
    assert torch.equal(together.labels, draws_of(scores, 8).labels)


RARE = [0.6, 0.2, 0.1, 0.05, 0.03, 0.015, 0.004, 0.0009, 0.00009, 0.00001]


@needs_fused
@pytest.mark.parametrize("classes", [10, 64, 65, 200], ids=str)
@each_kind
def test_frequencies_are_the_probabilities(classes: int, from_probs: bool) -> None:
    """Pearson's chi-square of 2 000 000 labels, rare classes in several blocks among them, and of their counts in draws."""
    p = torch.zeros(classes, dtype=torch.float64)
    p[torch.linspace(classes - 1, 0, 10).long()] = torch.tensor(RARE, dtype=torch.float64)
    scores = (p if from_probs else p.log().clamp_min(-800)).expand(2000, classes)
    labels = draws_of(scores, 1000, from_probs=from_probs).labels.double()
    possible = p > 0
    assert not labels[~possible].any()
    counts = labels[possible]
    assert chisquare(counts.sum(dim=1), p[possible] * 2_000_000 / p.sum()).pvalue > 0.01
    # The counts of the draws are independent and binomial, so their dispersion is chi-square with 999 degrees.
    expected, variance = 2000 * p[possible], 2000 * p[possible] * (1 - p[possible])
    dispersion = ((counts - expected[:, None]) ** 2).sum(dim=1) / variance
    often = expected > 5
    assert (chi2.sf(dispersion[often], 1000) > 1e-3).all()
    assert (chi2.cdf(dispersion[often], 1000) > 1e-3).all()


@needs_fused
def test_frequencies_with_factors_are_those_of_the_changed_probabilities() -> None:
    p, factors = torch.tensor([[0.5, 0.3, 0.15, 0.05]], dtype=torch.float64), factors_of(4, 10)
    changed = p[0] * factors.reshape(4, 10)[torch.arange(4), torch.tensor([4, 2, 1, 0])]
    drawn = draws_of(p.expand(2000, 4), 200, bins=10, factors=factors, from_probs=True)
    counts = drawn.labels.reshape(4, 10, 200).sum(dim=(1, 2)).double()
    assert chisquare(counts, changed / changed.sum() * 400_000).pvalue > 0.01
    assert int(drawn.right.sum()) == counts[0]


@needs_fused
def test_items_and_draws_have_labels_of_their_own() -> None:
    """No two items, and no two draws, have the same labels: correlations of 64 fair coins with 4096 tosses each."""
    coins = torch.zeros(64, 2)
    tosses = torch.stack([draws_of(coins, 4096, cells=torch.arange(64).int(), num_cells=64).right]).squeeze(0).double()
    correlations = torch.corrcoef(tosses) - torch.eye(64, dtype=torch.float64)
    assert correlations.abs().max() < 5.5 / 4096**0.5
    assert (tosses.mean(dim=1) - 0.5).abs().max() < 5 * 0.5 / 4096**0.5


@each_backend
def test_sure_rows_have_their_prediction() -> None:
    sure = torch.tensor([[0, 1, 0], [1 - NEARLY_SURE, 0, NEARLY_SURE]], dtype=torch.float64)
    drawn = draws_of(sure, 64, from_probs=True)
    assert (drawn.right == 2).all()
    assert drawn.labels.tolist() == [[0] * 64, [1] * 64, [1] * 64]
    saturated = torch.tensor([[1e4, 0.0, -1e4], [0.0, 0.0, 1e4]])
    assert (draws_of(saturated, 64).right == 2).all()
    assert (draws_of(torch.full((9, 1), -3.0), 8).right == 9).all()


@each_backend
def test_blocks_of_draws_are_parts_of_one_stream() -> None:
    scores, cells = logits(51, 10), cells_of(51, 3)
    whole = draws_of(scores, 48, bins=15, cells=cells, num_cells=3, first=(1 << 32) - 20)
    for begin, count in ((0, 16), (16, 5), (24, 24), (17, 31)):
        part = draws_of(scores, count, bins=15, cells=cells, num_cells=3, first=(1 << 32) - 20 + begin)
        assert torch.equal(part.labels[:, :count], whole.labels[:, begin : begin + count])
        assert torch.equal(part.right[:, :count], whole.right[:, begin : begin + count])
    beyond = draws_of(scores, 5, first=(1 << 32) - 20)  # columns beyond the draws hold further draws
    assert torch.equal(beyond.right, whole.right.sum(dim=0, keepdim=True)[:, :8].int())
    assert not torch.equal(whole.labels, draws_of(scores, 48, bins=15, cells=cells, num_cells=3, seed=8).labels)


@each_backend
@pytest.mark.slow
@each_kind
def test_strides_types_and_rows_change_no_bit(from_probs: bool) -> None:
    for n, k, dtype in (
        (1, 1, torch.float16),
        (40, 3, torch.bfloat16),
        (41, 10, torch.float32),
        (7, 130, torch.float16),
    ):
        scores, cells, factors = rows(n, k, dtype, from_probs), cells_of(n, 2), factors_of(k, 15)
        for options in ({}, {"factors": factors}):
            every: dict[str, Any] = {"bins": 15, "cells": cells, "num_cells": 2, "from_probs": from_probs, **options}
            drawn = draws_of(scores, 9, **every)
            for name, same in {**layouts(scores), "float64": scores.double()}.items():
                assert differing(draws_of(same, 9, **every), drawn) == 0, name
            chosen = torch.arange(n).flip(0).int()
            of_rows = draws_of(scores, 9, rows=chosen, **every)
            assert differing(of_rows, draws_of(scores[chosen.long()], 9, **every)) == 0


@each_backend
def test_no_rows_and_no_draws() -> None:
    for scores, options in ((logits(0, 3), {}), (logits(5, 3), {"rows": ALL, "cells": ALL})):
        drawn = draws_of(scores, 3, **options)
        assert drawn.right.tolist() == [[0] * 8]
        assert drawn.labels.tolist() == [[0] * 8] * 3
    drawn = draws_of(logits(5, 3), 0, bins=2)
    assert drawn.right.shape == (1, 0)
    assert drawn.labels.shape == (6, 0)


@needs_fused
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), -1.2e308])
@pytest.mark.parametrize("k", [1, 3, 8, 65])
@pytest.mark.parametrize("with_factors", [False, True])
def test_bad_rows_write_into_no_other_cell(bad: float, k: int, with_factors: bool) -> None:
    scores, factors = logits(70, k), factors_of(k, 15) if with_factors else None
    for columns in (slice(None), slice(1), slice(k // 2, None)):
        spoilt = scores.clone()
        spoilt[[0, 33, 69], columns] = bad
        drawn = draws_of(spoilt, 64, bins=15, cells=cells_of(70, 5), num_cells=5, factors=factors)
        assert (drawn.labels.sum(dim=0) == 70).all()
        assert (drawn.right.sum(dim=0) <= 70).all()
        assert (drawn.labels >= 0).all()
    zero = draws_of(scores, 8, bins=15, factors=torch.zeros(k * 15, dtype=torch.float64))
    assert (zero.right == 70).all()


@needs_fused
def test_probabilities_that_are_none_write_into_no_other_cell() -> None:
    generator = torch.Generator().manual_seed(0)
    for scale in (3.0, 1e300):
        spoilt = scale * torch.randn(200, 70, generator=generator, dtype=torch.float64)
        spoilt[::7, ::3], spoilt[::5, ::2] = float("nan"), float("inf")
        drawn = draws_of(spoilt, 16, bins=15, from_probs=True)
        assert (drawn.labels.sum(dim=0) == 200).all()
