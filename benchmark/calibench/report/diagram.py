"""Reliability diagrams: accuracy against confidence with intervals, and how many samples each bin holds (extra `plot`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calibench.atomic import replacing, writable_folder
from calibench.errors import InputError
from calibench.metrics.judged import Judged
from calibench.metrics.reliability import reliability

FORMATS = (".svg", ".png", ".pdf")
INK, BAR, GAP = "#1b2a41", "#4a7fb5", "#d1495b"


def check_plot(path: Path) -> None:
    """InputError unless `path` ends in a format that can be drawn and matplotlib is there; nothing is written."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"cannot draw {str(path)!r}", f"end it in {', '.join(FORMATS)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError("drawing needs matplotlib", 'pip install "calibench[plot]"') from None


def reliability_diagram(panels: Sequence[tuple[str, Judged, float | None]], path: Path, bins: int = 15) -> None:
    """Draw `(title, judged, ECE)` side by side: accuracy a bin with its Wilson 95 % interval, the gap to confidence, counts."""
    check_plot(path)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(panels), 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(panels), squeeze=False, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    for column, (title, judged, ece) in enumerate(panels):
        upper, lower = axes[0, column], axes[1, column]
        rows = [row for row in reliability(judged, bins) if row.count]
        middle = [(row.lo + row.hi) / 2 for row in rows]
        accuracy = [row.accuracy or 0.0 for row in rows]
        confidence = [row.confidence or 0.0 for row in rows]
        upper.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (4, 3)), label="perfect calibration")
        upper.bar(middle, accuracy, width=0.92 / bins, color=BAR, label="accuracy, 95 % Wilson interval")
        low = [a - (row.accuracy_interval or (a, a))[0] for a, row in zip(accuracy, rows, strict=True)]
        high = [(row.accuracy_interval or (a, a))[1] - a for a, row in zip(accuracy, rows, strict=True)]
        errors = [[max(v, 0.0) for v in low], [max(v, 0.0) for v in high]]
        upper.errorbar(middle, accuracy, yerr=errors, fmt="none", ecolor=INK, elinewidth=1, capsize=2)
        upper.plot(
            confidence, accuracy, linestyle="none", marker="o", markersize=3.5, color=GAP, label="mean confidence"
        )
        shown = "" if ece is None else f"\nECE{bins} {100 * ece:.2f} %, n = {judged.n}"
        upper.set(title=f"{title}{shown}", ylabel="accuracy" if column == 0 else None, xlim=(0, 1), ylim=(0, 1.02))
        lower.bar(middle, [row.count for row in rows], width=0.92 / bins, color=BAR)
        for x, row in zip(middle, rows, strict=True):
            lower.annotate(
                f"{row.count}",
                (x, row.count),
                ha="center",
                va="bottom",
                fontsize=5.5,
                color=INK,
                rotation=90,
                xytext=(0, 1.5),
                textcoords="offset points",
            )
        lower.set(xlabel="confidence", ylabel="samples" if column == 0 else None)
        lower.margins(y=0.35)
        for axis in (upper, lower):
            axis.spines[["top", "right"]].set_visible(False)
            axis.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
        upper.legend(loc="upper left", fontsize=7, frameon=False)
    writable_folder(path.parent)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=160)
