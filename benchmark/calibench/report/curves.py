"""Curves of operating points: risk against coverage, precision against recall, cost against the threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.report.plot_style import BLUE, GREY, INK, ORANGE, VERMILLION, legend, panels, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = Mapping[str, Any]

BAND = "95 %, each point by itself"


def draw_curves(document: Mapping[str, Any], path: Path) -> None:
    """Draw the curves of a document of `calibench thresholds`, with its operating points."""
    curves = document["curves"]
    figure, axes = panels(len(curves))
    for axis, (name, curve) in zip(axes, curves.items(), strict=True):
        DRAW[name](axis, curve, document["points"])
    save(figure, path)


def draw_risk_coverage(axis: Axes, curve: Curve, points: Sequence[Mapping[str, Any]] = ()) -> None:
    """The error rate of the answers against their share, with its band and the operating points."""
    coverage = [100 * value for value in curve["coverage"]]
    low, high, risk = ([100 * value for value in curve[name]] for name in ("low", "high", "risk"))
    axis.fill_between(coverage, low, high, color=GREY, alpha=0.35, linewidth=0, label=BAND)
    axis.plot(coverage, risk, color=BLUE, linewidth=1.8, label="error rate of the answers")
    axis.set(xlabel="answered, %", ylabel="errors among the answers, %", xlim=(0, 100))
    axis.set_title("risk and coverage", fontsize=10)
    most = max(risk[len(risk) // 10 :] or risk)
    axis.set_ylim(0, max(1.6 * most, 1e-3))
    for point in points:
        if point["want"] not in ("target_risk", "target_coverage"):
            continue
        at = point["judged"] or point["fitted"]
        if at["risk"]["value"] is not None:
            _mark(axis, 100 * at["coverage"]["value"], 100 * at["risk"]["value"], point)
        if point["want"] == "target_risk":
            axis.axhline(100 * point["target"], color=ORANGE, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    legend(axis, "upper left")


def draw_precision_recall(axis: Axes, curve: Curve, points: Sequence[Mapping[str, Any]] = ()) -> None:
    """Precision against recall of the positive class, with its band and the operating points."""
    recall = [100 * value for value in curve["recall"]]
    low, high, precision = ([100 * value for value in curve[name]] for name in ("low", "high", "precision"))
    axis.fill_between(recall, low, high, color=GREY, alpha=0.35, linewidth=0, label=BAND)
    axis.plot(recall, precision, color=BLUE, linewidth=1.8, label="precision")
    axis.set(xlabel="recall, %", ylabel="precision, %", xlim=(0, 100), ylim=(0, 102))
    axis.set_title(f"precision and recall of class {curve['positive']}", fontsize=10)
    for point in points:
        at = point["judged"] or point["fitted"]
        if "precision" in at and at["precision"]["value"] is not None and at["recall"]["value"] is not None:
            _mark(axis, 100 * at["recall"]["value"], 100 * at["precision"]["value"], point)
    legend(axis, "lower left")


def draw_cost(axis: Axes, curve: Curve, points: Sequence[Mapping[str, Any]] = ()) -> None:
    """The mean cost against the threshold, with the cost of the rule and of the most probable class."""
    pairs = [pair for pair in zip(curve["threshold"], curve["mean_cost"], strict=True) if pair[0] is not None]
    axis.plot([x for x, _ in pairs], [y for _, y in pairs], color=BLUE, linewidth=1.8, label="one threshold")
    axis.axhline(curve["always_argmax"], color=INK, linewidth=1, linestyle=(0, (1, 2)), label="the most probable class")
    for point in points:
        at = point["judged"] or point["fitted"]
        if "mean_cost" in at:
            axis.axhline(
                at["mean_cost"]["value"], color=VERMILLION, linewidth=1.4, linestyle="--", label=point["recipe"]
            )
    what = (
        "confidence from which it answers" if curve["of"] == "confidence" else f"threshold on class {curve['positive']}"
    )
    axis.set(xlabel=what, ylabel="mean cost")
    axis.set_title("cost", fontsize=10)
    legend(axis)


def _mark(axis: Axes, x: float, y: float, point: Mapping[str, Any]) -> None:
    """An operating point with its target beside it."""
    axis.plot([x], [y], marker="D", markersize=6, color=VERMILLION, markeredgecolor="white", zorder=5)
    words = f"{point['want'].removeprefix('target_')} {100 * point['target']:g} %"
    axis.annotate(words, (x, y), xytext=(-5, 6), textcoords="offset points", fontsize=7.5, ha="right", color=INK)


DRAW = {"risk_coverage": draw_risk_coverage, "precision_recall": draw_precision_recall, "cost": draw_cost}
