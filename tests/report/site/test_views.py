"""What pages show of test predictions, against plain loops; addresses, frames and cells."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from calibench.metrics.judged import Judged
from calibench.outputs.stored_outputs import outputs_of
from calibench.report.site.addresses import address
from calibench.report.site.class_view import class_table
from calibench.report.site.frame import Axis, percent_frame
from calibench.report.site.pareto_view import pareto_picture
from calibench.report.site.samples_view import reliability_view, risk_view
from calibench.report.site.table import Recipes, rank_cell

N, K = 400, 3


@pytest.fixture(scope="module")
def runs() -> list[Judged]:
    """Two seeds on one test split."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, K, N)
    logits = [rng.normal(size=(N, K)) + 1.5 * np.eye(K)[labels] for _ in range(2)]
    return [Judged(outputs_of(of_seed), labels) for of_seed in logits]


def softmax(judged: Judged) -> np.ndarray:
    scores = np.exp(np.asarray(judged.scores))
    return scores / scores.sum(axis=1, keepdims=True)


def test_bins_pool_the_seeds_and_count_their_samples_once(runs):
    bins: dict[int, list[tuple[float, bool]]] = {}
    for judged in runs:
        for p, label in zip(softmax(judged), judged.labels, strict=True):
            bins.setdefault(math.ceil(p.max() * 15) - 1, []).append((p.max(), p.argmax() == label))
    view = reliability_view(runs)
    assert [round(of_bin.start * 15) for of_bin in view.bins] == sorted(bins)
    for of_bin, place in zip(view.bins, sorted(bins), strict=True):
        confidences, right = np.array(bins[place]).T
        n = len(right) / 2
        wilson = stats.binomtest(round(right.mean() * 2 * n), round(2 * n)).proportion_ci(0.95, "wilson")
        assert of_bin.p == pytest.approx(confidences.mean())
        assert of_bin.share == pytest.approx(right.mean())
        assert of_bin.samples == n
        assert of_bin.low <= wilson.low + 1e-12
        assert of_bin.high >= wilson.high - 1e-12
    assert view.fullest == pytest.approx(max(map(len, bins.values())) / (2 * N))


def test_one_seed_has_the_wilson_interval(runs):
    for of_bin in reliability_view(runs[:1]).bins:
        wilson = stats.binomtest(round(of_bin.share * of_bin.samples), round(of_bin.samples)).proportion_ci(
            0.95, "wilson"
        )
        assert (of_bin.low, of_bin.high) == pytest.approx((wilson.low, wilson.high), abs=1e-9)


def test_the_risk_of_all_answers_is_the_mean_error_rate(runs):
    view = risk_view(runs)
    errors = [np.mean(softmax(judged).argmax(axis=1) != judged.labels) for judged in runs]
    assert view.risk_of_all == pytest.approx(np.mean(errors))
    assert len(view.seeds) == 2
    assert risk_view(runs[:1]).seeds == []


def test_the_line_of_risk_passes_through_the_risk_of_the_surest_half(runs):
    few = Judged(outputs_of(np.asarray(runs[0].scores)[:120]), runs[0].labels[:120])
    view, p = risk_view([few]), softmax(few)
    surest = np.argsort(-p.max(axis=1))[:60]
    risk = np.mean(p.argmax(axis=1)[surest] != few.labels[surest])
    points = [tuple(map(float, pair.split(","))) for pair in view.line[1:].split("L")]
    assert (view.frame.x(0.5), view.frame.y(risk)) in points


def test_the_table_of_classes_counts(runs):
    table = class_table(runs, ["a", "b", "c"], "t")
    for k, line in enumerate(table.lines):
        hits = [np.sum((softmax(j).argmax(axis=1) == k) & (j.labels == k)) for j in runs]
        said = np.mean([np.sum(softmax(j).argmax(axis=1) == k) for j in runs])
        there = np.sum(runs[0].labels == k)
        mass = np.mean([softmax(j)[:, k].mean() for j in runs])
        values = [cell.value for cell in line.cells[1:]]
        expected = [there, there / N, mass, mass - there / N, np.mean(hits) / there, np.mean(hits) / said]
        assert values == pytest.approx(expected)
        assert line.cells[0].text == "abc"[k]


def test_a_class_that_is_never_predicted_has_no_precision():
    logits = np.array([[2.0, 0.0], [1.0, 0.0]])
    table = class_table([Judged(outputs_of(logits), np.array([0, 1]))], [], "t")
    assert [cell.text for cell in table.lines[1].cells][-2:] == ["0.00", "-"]


def test_plain_names_stay_readable_and_no_two_names_share_an_address():
    assert address("ce+temperature") == "ce_temperature"
    assert address("vtst") == "vtst"
    names = [
        "ce+temperature",
        "ce_temperature",
        "CE",
        "ce",
        "a/b",
        "a-b",
        "..",
        "",
        "con",
        "<x>",
        "é",
        "e",
        "x" * 70,
        "x" * 71,
    ]
    addresses = [address(name) for name in names]
    assert len({text.lower() for text in addresses}) == len(names)
    assert all(text.isascii() and text.strip(".") and set("/\\<>:\"'?*% ").isdisjoint(text) for text in addresses)


def test_an_axis_is_linear_or_logarithmic_and_keeps_values_inside():
    linear, log = Axis(0, 2, 0, 100), Axis(1, 100, 0, 100, log=True)
    assert [linear.at(v) for v in (-1, 0, 0.5, 2, 3)] == [0, 0, 25, 100, 100]
    assert [log.at(v) for v in (0, 1, 10, 100)] == [0, 0, 50, 100]
    assert percent_frame(300).across.ticks()[-1][1] == "100"


@pytest.mark.parametrize("log", [False, True])
def test_ticks_are_few_and_inside(log):
    rng = np.random.default_rng(1)
    for _ in range(200):
        low = 10 ** rng.uniform(-4, 3)
        high = low * (1 + 10 ** rng.uniform(-1, 4))
        ticks = Axis(low, high, 0, 1000, log).ticks()
        assert len(ticks) <= 10
        assert all(0 <= at <= 1000 for at, _ in ticks)
        assert len({text for _, text in ticks}) == len(ticks)


def test_a_rank_is_a_bar_of_its_places_and_sorts_by_its_best():
    cells = [rank_cell(rank, 10) for rank in ((1, 3), (1, 4), (2, 2), (2, 10), (10, 10))]
    assert [cell.text for cell in cells] == ["1-3", "1-4", "2", "2-10", "10"]
    values = [cell.value for cell in cells]
    assert values == sorted(set(values))
    assert cells[0].span == (0.0, 30.0)
    assert cells[3].span == (10.0, 90.0)
    assert rank_cell(None, 10).text == "-"


def test_far_recipes_lie_at_the_edge_of_the_picture_and_are_counted():
    quality = {"a": 0.10, "b": 0.11, "c": 0.12, "d": 0.13, "e": 9.0}
    picture = pareto_picture(quality, dict.fromkeys(quality, 2.0) | {"a": 5.0}, "lower", "brier", Recipes({}, {}))
    assert picture.beyond == 1
    at = {point.recipe: point for point in picture.points}
    assert at["e"].y == picture.frame.up.end
    assert at["d"].y > picture.frame.up.end
    assert {name for name, point in at.items() if point.front} == {"a", "b"}
    assert pareto_picture({"a": 1.0}, {"a": 1.0}, "lower", "brier", Recipes({}, {})) is None
