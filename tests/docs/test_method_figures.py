"""The figures of the pages of methods: the same panels give the same bytes, and what is drawn is what was computed."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="figures are drawn by matplotlib (extra plot)")

from small_multiples import Axes, Line, Panel, svg
from training_figures import MARGINS, loss_by_margin, prepared

STEP = Line("after", np.array([0, 0.5, 0.5, 1]), np.array([0, 0, 1, 1]))
AXES = Axes((0, 1), (0, 1), "before", "after", 2, {"after": "map"})


def paths(text: str, colour: str) -> list[list[tuple[float, float]]]:
    """The points of the paths of a colour, in points of the page."""
    elements = [e for e in ElementTree.fromstring(text).iter() if f"stroke: {colour}" in e.get("style", "")]
    numbers = [re.findall(r"([\d.]+) ([\d.]+)", element.get("d", "")) for element in elements]
    return [[(float(x), float(y)) for x, y in points] for points in numbers]


def test_the_same_panels_give_the_same_bytes() -> None:
    panels = [Panel("a", lines=(STEP,)), Panel("b", "0.05 of 1", (STEP,), ("note",), ((0.5, 0.5, "x"),))]
    text = svg(panels, AXES, "title")
    assert text == svg(panels, AXES, "title")
    assert {"a", "b", "0.05 of 1", "note", "x", "map"} <= set(re.findall(r">([^<]+)</text>", text))


def test_a_line_has_its_place_in_its_panel() -> None:
    text = svg([Panel("a", lines=(STEP,)), Panel("b", lines=(STEP,))], AXES, "title")
    (frame,) = paths(text, "#1b2a41")
    line, _ = paths(text, "#1f6fb2")  # the second path is the legend's
    for panel in range(2):
        corners, points = frame[5 * panel : 5 * panel + 4], line[4 * panel : 4 * panel + 4]
        left, right = corners[0][0], corners[1][0]
        assert points[0] == corners[0]
        assert points[3] == corners[2]
        assert points[1] == (pytest.approx((left + right) / 2, abs=0.11), corners[0][1])


def test_points_outside_the_frame_are_left_out() -> None:
    outside = Line("after", np.array([0, 0.5, 1]), np.array([0.5, 7, 0.5]))
    line, _ = paths(svg([Panel("a", lines=(outside,))], AXES, "title"), "#1f6fb2")
    assert max(y for _, y in line) - min(y for _, y in line) == 0


def test_curves_are_those_of_the_objectives() -> None:
    np.testing.assert_allclose(loss_by_margin(prepared("ce")), np.log1p(9 * np.exp(-MARGINS)), rtol=1e-9)
    assert prepared("elr") is None
    assert prepared("mixup") is None
    assert prepared("noise-ce") is None  # it estimates its rate out of fold
    assert loss_by_margin(prepared("noise-ce:rate=0.3")).max() < np.log(10 / (0.3 * 10 / 9)) + 1e-12


@pytest.mark.slow
def test_the_maps_of_calibrators_are_drawn_the_same_again() -> None:
    import output_figures

    assert output_figures.calibrators() == output_figures.calibrators()


def test_the_right_map_is_the_truth_of_the_drawn_labels() -> None:
    import output_figures

    p = np.array([0.1, 0.5, 0.9])
    logits = output_figures.two_classes(p).logits()
    np.testing.assert_allclose(logits.softmax(1)[:, 1].numpy(), p)
    log_odds = np.log(p / (1 - p))
    np.testing.assert_allclose(output_figures.true_probability(p), 1 / (1 + np.exp(-(log_odds - 0.8) / 2)))
