"""AUGRC and E-AURC: every order of tied samples by enumeration, and the published cases of FD-Shifts."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import binary, from_table, simulated
from tied_cases import check_resampled, resampling_property

from calibench.metrics.augrc import AUGRC
from calibench.metrics.aurc import AURC, rank
from calibench.metrics.bootstrap import multiplicities
from calibench.metrics.e_aurc import ExcessAURC
from calibench.metrics.fd_shifts import best_aurc, tie_sums, trapezoid_augrc, trapezoid_aurc

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "truth" / "fdshifts_aurc_augrc.json"
METRICS = [AUGRC(), AUGRC("fd-shifts"), ExcessAURC(), ExcessAURC("fd-shifts")]


def augrc_of_order(wrong):
    return float(np.cumsum(wrong).mean() / len(wrong))


def over_all_orders(tail, wrong):
    ties = [[w for t, w in zip(tail, wrong, strict=True) if t == value] for value in sorted(set(tail))]
    orders = itertools.product(*(list(itertools.permutations(tie)) for tie in ties))
    return float(np.mean([augrc_of_order(list(itertools.chain(*order))) for order in orders]))


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(5, 8), st.booleans()), min_size=1, max_size=7))
@settings(max_examples=60, deadline=None)
def test_augrc_is_the_mean_over_every_order_of_the_ties(samples):
    judged = binary([c / 8 for c, _ in samples], [correct for _, correct in samples])
    expected = over_all_orders(judged.tail.tolist(), (1 - judged.correct).tolist())
    assert AUGRC().value(judged) == pytest.approx(expected, abs=1e-13)


def test_the_papers_area_follows_from_the_error_rate_and_the_auroc_of_failures():
    """AUGRC = (1 - acc) acc (1 - AUROC_f) + (1 - acc)^2 / 2, AUROC_f that of errors against right answers."""
    metrics = pytest.importorskip("sklearn.metrics")
    judged = simulated(2000, 6, seed=3)
    wrong = 1 - judged.correct
    rate, auroc = wrong.mean(), metrics.roc_auc_score(wrong, judged.tail)
    expected = rate * (1 - rate) * (1 - auroc) + rate**2 / 2
    assert AUGRC("fd-shifts").value(judged) == pytest.approx(expected, abs=1e-14)
    assert AUGRC().value(judged) == pytest.approx(expected + rate / (2 * judged.n), abs=1e-14)


def test_the_excess_is_that_of_the_details_of_aurc_and_0_for_the_best_order():
    judged = simulated(800, 4, seed=1)
    assert ExcessAURC().value(judged) == pytest.approx(AURC().details(judged)["excess"], abs=1e-14)
    best = binary([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 0])
    assert ExcessAURC().value(best) == pytest.approx(0, abs=1e-15)
    assert ExcessAURC().details(best)["best"] == pytest.approx((1 / 3 + 2 / 4) / 4)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: f"{type(metric).__name__}-{metric.like}")
def test_edges(metric):
    assert metric.value(binary([0.9], [1])) == 0
    assert np.isfinite(metric.value(binary([0.9], [0])))
    assert metric.value(binary([0.9] * 5, [1] * 5)) == 0
    tied = from_table([[0.5, 0.5]] * 4, [0, 1, 0, 1])
    assert np.isfinite(metric.value(tied))


test_resamples_and_the_order_of_samples = resampling_property(METRICS)


def test_bootstrap_weights():
    judged = simulated(500, 5, seed=2)
    for metric in METRICS:
        check_resampled(metric, judged, next(multiplicities(500, 4, seed=3)))


def by_fd_shifts(uncertainty, wrong):
    """`aurc`, `augrc` and `eaurc` of FD-Shifts; `wrong` may lie between 0 and 1, and then sorts itself in the best order."""
    order, starts = rank(uncertainty)
    ones = np.ones((1, len(wrong)))
    ties = tie_sums(ones, starts), tie_sums(wrong[order][None, :], starts)
    aurc = trapezoid_aurc(*ties)[0]
    whole = np.isin(wrong, (0.0, 1.0)).all()
    best = best_aurc(wrong.mean(keepdims=True)) if whole else trapezoid_aurc(ones, np.sort(wrong)[None, :])
    return {"aurc": aurc, "augrc": trapezoid_augrc(*ties)[0], "eaurc": aurc - best[0]}


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f"the cases of FD-Shifts are not at {PUBLISHED}")
def test_the_published_cases_of_fd_shifts():
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    for case in published["cases"]:
        confidence = np.array(published["vectors"][case["confid"]])
        wrong = 1 - np.array(published["vectors"][case["correct"]])
        for name, figure in by_fd_shifts(-confidence, wrong).items():
            assert figure == pytest.approx(case[name], abs=1e-9), (case["id"], name)
        if not np.isin(wrong, (0.0, 1.0)).all():
            continue
        # The metrics themselves, on probabilities in the order of these confidences; beside the published figure stands ours.
        _, place = np.unique(confidence, return_inverse=True)
        judged = binary(0.6 + 0.003 * place, 1 - wrong)
        assert AUGRC("fd-shifts").value(judged) == pytest.approx(case["augrc"], abs=1e-9)
        assert ExcessAURC("fd-shifts").value(judged) == pytest.approx(case["eaurc"], abs=1e-9)
        assert AUGRC().value(judged) == pytest.approx(case["augrc"] + wrong.mean() / 200, abs=1e-9)
        assert ExcessAURC().value(judged) >= -1e-15
