"""Groups and periods as pictures: predicted and observed accuracy of each with its interval, and the sure gap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from calibench.report.plot_style import BLUE, GREY, INK, SMALL, VERMILLION, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 25
"""The worst groups are drawn, so many at most."""

LONGEST_GROUP = 28
"""Letters of a group's name."""

Groups = Mapping[str, Mapping[str, Any]]


def draw_groups(axis: Axes, groups: Groups, level: float = 0.95) -> None:
    """Accuracy with its interval and mean confidence, a row a group; miscalibrated groups are marked by colour and a star."""
    shown = list(groups.items())[:MOST_ROWS]
    places = range(len(shown))
    figure = _accuracy_name(groups)
    for place, (_, group) in zip(places, shown, strict=True):
        value, bounds, mean = group["metrics"].get(figure), group["intervals"].get(figure), group["mean_confidence"]
        bad = group["calibrated"] == "miscalibrated"
        if value is not None and bounds is not None:
            axis.plot(
                [100 * bounds[0], 100 * bounds[1]], [place, place], color=BLUE, linewidth=1.6, solid_capstyle="butt"
            )
        if value is not None and mean is not None:
            axis.plot(
                [100 * mean, 100 * value], [place, place], color=VERMILLION if bad else GREY, linewidth=0.8, zorder=1
            )
        if value is not None:
            axis.plot([100 * value], [place], marker="o", color=BLUE, markersize=5, zorder=3)
        if mean is not None:
            marker, colour = ("D", VERMILLION) if bad else ("D", "white")
            axis.plot([100 * mean], [place], marker=marker, color=colour, markeredgecolor=INK, markersize=5, zorder=4)
    labels = [
        f"{'* ' if group['calibrated'] == 'miscalibrated' else ''}{short(name, LONGEST_GROUP)} (n {group['n']})"
        for name, group in shown
    ]
    axis.set_yticks(list(places), labels, fontsize=SMALL)
    axis.invert_yaxis()
    axis.set_box_aspect(None)
    axis.set_xlabel("accuracy and mean confidence, %")
    if len(groups) > MOST_ROWS:
        axis.set_title(f"groups, the worst {MOST_ROWS} of {len(groups)}")
    axis.plot([], [], marker="o", color=BLUE, label=_with_level(level))
    axis.plot([], [], marker="D", color="white", markeredgecolor=INK, linestyle="none", label="mean confidence")
    axis.plot([], [], marker="D", color=VERMILLION, markeredgecolor=INK, linestyle="none", label="* miscalibrated")
    axis.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.6)
    axis.margins(y=0.5 / max(1, len(shown)))
    axis.locator_params(axis="x", nbins=5)


def draw_periods(axis: Axes, periods: Mapping[str, Any], level: float = 0.95) -> None:
    """Accuracy with its interval and mean confidence along the periods."""
    names, groups = list(periods["periods"]), list(periods["periods"].values())
    figure = _accuracy_name(periods["periods"])
    places = list(range(len(names)))
    values = [_percent(group["metrics"].get(figure)) for group in groups]
    axis.plot(places, values, color=BLUE, marker="o", markersize=4, linewidth=1.2, label=_with_level(level))
    for place, group in zip(places, groups, strict=True):
        bounds = group["intervals"].get(figure)
        if bounds is not None:
            axis.plot([place, place], [100 * bounds[0], 100 * bounds[1]], color=BLUE, linewidth=1)
    means = [_percent(group["mean_confidence"]) for group in groups]
    axis.plot(
        places,
        means,
        color=VERMILLION,
        marker="D",
        markersize=4,
        linewidth=1.4,
        linestyle="--",
        label="mean confidence",
    )
    bad = [place for place, group in zip(places, groups, strict=True) if group["calibrated"] == "miscalibrated"]
    if bad:
        top = [means[place] for place in bad]
        axis.plot(bad, top, linestyle="none", marker="*", markersize=11, color=INK, zorder=5, label="miscalibrated")
    step = max(1, len(names) // 12)
    axis.set_xticks(places[::step], [short(name) for name in names[::step]], rotation=45, ha="right", fontsize=SMALL)
    axis.set_box_aspect(None)
    axis.set(ylabel="accuracy and mean confidence, %")
    axis.set_title(f"periods of {short(str(periods['column']), LONGEST_GROUP)}")


def _accuracy_name(groups: Groups) -> str:
    """The metric that stands for accuracy: that of answers where samples have several labels."""
    return "accuracy" if all("accuracy" in group["metrics"] for group in groups.values()) else "exact_match"


def _percent(value: float | None) -> float:
    return float("nan") if value is None else 100 * value


def _with_level(level: float) -> str:
    return f"accuracy, {100 * level:g} %"
