"""Curves of operating points: risk against coverage, precision against recall, cost against the threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.report.plot_style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    SERIES,
    SMALL,
    VERMILLION,
    panels,
    save,
    short,
    style,
    title_and_legend,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = Mapping[str, Any]

BAND = "95 %, each point by itself"


def draw_curves(document: Mapping[str, Any], path: Path) -> None:
    """Draw the curves of a document of `calibench thresholds`, with its operating points."""
    curves = document["curves"]
    names = document.get("class_names")
    with style():
        figure, axes = panels(len(curves))
        for axis, (name, curve) in zip(axes, curves.items(), strict=True):
            positive = curve.get("positive")
            of_class = "" if positive is None else short(names[positive]) if names else f"{positive}"
            DRAW[name](axis, {**curve, "class": of_class}, document["points"])
            title_and_legend(axis, axis.get_title())
    save(figure, path)


def draw_risk_coverage(axis: Axes, curve: Curve, points: Sequence[Mapping[str, Any]] = ()) -> None:
    """The error rate of the answers against their share, with its band and the operating points."""
    coverage = [100 * value for value in curve["coverage"]]
    low, high, risk = ([100 * value for value in curve[name]] for name in ("low", "high", "risk"))
    axis.fill_between(coverage, low, high, color=GREY, alpha=0.35, linewidth=0, label=BAND)
    _line(axis, coverage, risk, "error rate of the answers")
    axis.set(xlabel="answered, %", ylabel="errors among the answers, %", xlim=(0, 100))
    axis.set_title("risk and coverage")
    most = max([*(high[len(high) // 10 :] or high), *(100 * p["target"] for p in points if p["want"] == "target_risk")])
    axis.set_ylim(0, min(max(1.1 * most, 1e-3), 102))
    target = "target"
    for point in points:
        if point["want"] not in ("target_risk", "target_coverage"):
            continue
        at = point["judged"] or point["fitted"]
        if at["risk"]["value"] is not None:
            _mark(axis, 100 * at["coverage"]["value"], 100 * at["risk"]["value"], point, rising=True)
        if point["want"] == "target_risk":
            axis.axhline(
                100 * point["target"], color=ORANGE, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0, label=target
            )
            target = ""


def draw_precision_recall(axis: Axes, curve: Curve, points: Sequence[Mapping[str, Any]] = ()) -> None:
    """Precision against recall of the positive class, with its band and the operating points."""
    recall = [100 * value for value in curve["recall"]]
    low, high, precision = ([100 * value for value in curve[name]] for name in ("low", "high", "precision"))
    axis.fill_between(recall, low, high, color=GREY, alpha=0.35, linewidth=0, label=BAND)
    _line(axis, recall, precision, "precision")
    axis.set(xlabel="recall, %", ylabel="precision, %", xlim=(0, 100), ylim=(0, 102))
    axis.set_title(f"precision and recall of class {curve['class']}")
    for point in points:
        at = point["judged"] or point["fitted"]
        if "precision" in at and at["precision"]["value"] is not None and at["recall"]["value"] is not None:
            _mark(axis, 100 * at["recall"]["value"], 100 * at["precision"]["value"], point)


def draw_cost(axis: Axes, curve: Curve, points: Sequence[Mapping[str, Any]] = ()) -> None:
    """The mean cost against the threshold, with the cost of the rule and of the most probable class."""
    pairs = [pair for pair in zip(curve["threshold"], curve["mean_cost"], strict=True) if pair[0] is not None]
    axis.plot([x for x, _ in pairs], [y for _, y in pairs], color=BLUE, linewidth=1.5, label="one threshold")
    axis.axhline(curve["always_argmax"], color=INK, linewidth=1, linestyle=(0, (1, 2)), label="most probable class")
    rules = [point for point in points if "mean_cost" in (point["judged"] or point["fitted"])]
    for (colour, dashes, _), point in zip(SERIES[1:], rules, strict=False):
        cost = (point["judged"] or point["fitted"])["mean_cost"]["value"]
        name = _matrix(point)
        axis.axhline(cost, color=colour, linewidth=1.2, linestyle=dashes, label=name)
    on_class = f"threshold on class {curve['class']}"
    axis.set(xlabel="confidence from which it answers" if curve["of"] == "confidence" else on_class, ylabel="mean cost")
    axis.set_title("cost" if len(rules) < 2 else f"cost by {_matrix(rules[0])}")


def _mark(axis: Axes, x: float, y: float, point: Mapping[str, Any], *, rising: bool = False) -> None:
    """An operating point with its target beside it, on the side where there is room, on white."""
    axis.plot([x], [y], marker="D", markersize=5, color=VERMILLION, markeredgecolor="white", clip_on=False, zorder=5)
    words = f"{point['want'].removeprefix('target_')} {100 * point['target']:g} %"
    left = x > 50
    above = left is rising  # a curve that rises leaves room above it on the left, and below it on the right
    axis.annotate(
        words,
        (x, y),
        xytext=(-5 if left else 5, 5 if above else -10),
        textcoords="offset points",
        fontsize=SMALL,
        ha="right" if left else "left",
        color=INK,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8},
        zorder=4,
    )


def _matrix(point: Mapping[str, Any]) -> str:
    """The name of the cost matrix of a rule."""
    return short(Path(str(point["recipe"]).partition("matrix=")[2] or str(point["recipe"])).name, 20)


def _line(axis: Axes, x: Sequence[float], y: Sequence[float], name: str) -> None:
    """The curve; where it is one point, a dot."""
    alone = len(x) == 1
    axis.plot(x, y, color=BLUE, linewidth=1.5, marker="o" if alone else None, clip_on=False, zorder=3, label=name)


DRAW = {"risk_coverage": draw_risk_coverage, "precision_recall": draw_precision_recall, "cost": draw_cost}
