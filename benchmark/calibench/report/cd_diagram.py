"""The critical-difference diagram: recipes by mean rank, and bars over those that the test does not tell apart."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from calibench.report.format import printable
from calibench.report.tables import WIDTH, ruled_table

if TYPE_CHECKING:
    from rich.table import Table

    from calibench.leaderboard.friedman import Friedman

BAR = "┃"

INK, QUIET, PAPER = "#1b2a41", "#5b6576", "#ffffff"


def sentence(test: Friedman, metric: str) -> str:
    """The test in words."""
    count = len(test.recipes)
    p = "p < 0.0001" if test.p < 1e-4 else f"p = {test.p:.4f}"
    return (
        f"Friedman's test of {count} recipes on {test.datasets} data sets by {metric}: "
        f"chi2({count - 1}) = {test.statistic:.2f}, {p}"
    )


def notes(test: Friedman) -> list[str]:
    """How to read the diagram."""
    lines = [
        f"mean ranks over data sets; Nemenyi: two recipes differ if theirs are over {test.critical_difference:.2f} apart, "
        "at a joint level of 95 %; a bar joins recipes that are not told apart",
        "a recipe without a figure on a data set has the last rank there",
    ]
    if test.datasets < 10:
        lines.append(f"{test.datasets} data sets are few: both tests are approximate")
    return lines


def cd_table(test: Friedman, metric: str, width: int = WIDTH) -> Table:
    """A row a recipe, best mean rank first, with a column of bars for each group that is not told apart."""
    from rich.text import Text

    table = ruled_table(sentence(test, metric), "\n".join(notes(test)))
    table.add_column("mean rank", justify="right")
    table.add_column("recipe", overflow="fold", max_width=max(12, width // 2))
    table.add_column("not told apart")
    for place, (recipe, mean) in enumerate(zip(test.recipes, test.mean_ranks, strict=True)):
        bars = " ".join(BAR if first <= place <= last else " " for first, last in test.bands)
        table.add_row(f"{mean:.2f}", Text(printable(recipe)), bars)
    return table


def cd_svg(test: Friedman, metric: str) -> str:
    """The diagram as it is drawn in papers: mean ranks on an axis, the best on the left, names at both sides."""
    count, margin, width, row = len(test.recipes), 290, 980, 22
    left = (count + 1) // 2
    top = 96 + 9 * len(test.bands)
    height = top + row * left + 30 + 16 * (len(notes(test)) + 1)

    def x(rank: float) -> float:
        return margin + (rank - 1) / max(count - 1, 1) * (width - 2 * margin)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="13" role="img"><title>{_text(sentence(test, metric))}</title>',
        f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
        _line(x(1), 64, x(count), 64, INK),
    ]
    step = max(1, round((count - 1) / 8))
    for rank in sorted({*range(1, count + 1, step), count} - ({count - 1} if step > 1 else set())):
        parts += [_line(x(rank), 58, x(rank), 64, INK), _words(x(rank), 52, str(rank), "middle")]
    end = min(x(1 + test.critical_difference), x(count))
    parts += [
        _line(x(1), 30, end, 30, INK, 2),
        _words((x(1) + end) / 2, 24, f"CD {test.critical_difference:.2f}", "middle"),
    ]
    for number, (first, last) in enumerate(test.bands):
        height_of_bar = 74 + 9 * number
        parts.append(
            _line(x(test.mean_ranks[first]) - 4, height_of_bar, x(test.mean_ranks[last]) + 4, height_of_bar, INK, 4)
        )
    for place, (recipe, mean) in enumerate(zip(test.recipes, test.mean_ranks, strict=True)):
        on_left = place < left
        y = top + row * (place if on_left else count - 1 - place)
        side, anchor = (margin - 20, "end") if on_left else (width - margin + 20, "start")
        parts += [
            _line(x(mean), 64, x(mean), y, QUIET),
            _line(x(mean), y, side, y, QUIET),
            _words(side + (-6 if on_left else 6), y + 4, f"{_short(recipe)}  {mean:.2f}", anchor),
        ]
    for number, line in enumerate([sentence(test, metric), *notes(test)]):
        y = top + row * left + 24 + 16 * number
        parts.append(f'<text x="16" y="{y}" fill="{QUIET}" font-size="11">{_text(line)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _line(x: float, y: float, to_x: float, to_y: float, colour: str, width: float = 1) -> str:
    ends = f'x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"/>'


def _words(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{INK}">{_text(text)}</text>'


def _short(recipe: str) -> str:
    """At most 30 characters, which have room beside the axis."""
    return recipe if len(recipe) <= 30 else f"{recipe[:29]}…"


def _text(text: str) -> str:
    return html.escape(printable(text))
