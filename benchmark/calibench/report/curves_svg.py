"""Training curves as one SVG picture, written by hand: a panel a stage, a line a run, no other file and no script."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from calibench.report.braille_plot import Line, is_log
from calibench.report.training_curves import SERIES, TrainingCurve

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("", "6 3", "2 3", "8 3 2 3")
"""With more runs than colours the dashes change too."""

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 34, 44
LEGEND_LINE = 16


def curves_svg(curves: Sequence[TrainingCurve], series: str) -> str:
    """The picture: one series over epochs, a filled dot at the kept epoch. Names are escaped."""
    stages = list(dict.fromkeys(curve.stage for curve in curves if series in curve.series))
    panels, top = [], 0
    for stage in stages:
        of_stage = [curve for curve in curves if curve.stage == stage and series in curve.series]
        panels.append(f'<g transform="translate(0 {top})">{"".join(_panel(stage, of_stage, series))}</g>')
        top += HEIGHT + LEGEND_LINE * len(of_stage) + 8
    title = f"Training curves: {SERIES[series]} by epoch"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" role="img" '
        f'aria-label="{escape(title)}" font-family="sans-serif" font-size="12">'
        f'<title>{escape(title)}</title><rect width="100%" height="100%" fill="#fff"/>{"".join(panels)}</svg>\n'
    )


def _panel(stage: str, curves: Sequence[TrainingCurve], series: str) -> Iterator[str]:
    points = [list(zip(curve.epochs, curve.series[series], strict=True)) for curve in curves]
    log = is_log([Line(list(of_curve)) for of_curve in points])
    values = [math.log10(y) if log else y for of_curve in points for _, y in of_curve]
    low, high = min(values), max(values)
    first, last = min(p[0][0] for p in points), max(p[-1][0] for p in points)

    def place(x: float, y: float) -> tuple[float, float]:
        level = math.log10(y) if log else y
        across = (x - first) / (last - first) if last > first else 0.5
        down = (high - level) / (high - low) if high > low else 0.5
        return LEFT + across * (WIDTH - LEFT - RIGHT), TOP + down * (HEIGHT - TOP - BOTTOM)

    words = f"{stage}: {SERIES[series]}{' (logarithmic)' if log else ''}"
    yield f'<text x="{LEFT}" y="20" font-weight="bold">{_plain(words)}</text>'
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        level = high - share * (high - low)
        y = TOP + share * (HEIGHT - TOP - BOTTOM)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10**level if log else level:.3g}</text>'
    for x in dict.fromkeys((first, round((first + last) / 2), last)):
        yield f'<text x="{place(x, points[0][0][1])[0]:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{x}</text>'
    yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">epoch</text>'
    for number, (curve, of_curve) in enumerate(zip(curves, points, strict=True)):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]
        stroke = f'stroke="{colour}" stroke-width="1.8" stroke-dasharray="{dash}"'
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in of_curve))
        yield f'<polyline points="{line}" fill="none" {stroke}/>'
        yield from (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
            for x, y in (place(*point) for point in of_curve if point[0] == curve.kept)
        )
        base = HEIGHT + LEGEND_LINE * number
        yield f'<line x1="{LEFT}" x2="{LEFT + 24}" y1="{base - 4}" y2="{base - 4}" {stroke}/>'
        kept = "" if curve.kept is None else f", kept epoch {curve.kept}"
        yield f'<text x="{LEFT + 30}" y="{base}">{_plain(curve.name + kept)}</text>'


def _plain(text: str) -> str:
    """The text escaped, without characters that no XML may hold."""
    return escape("".join(sign if sign.isprintable() else "?" for sign in text))
