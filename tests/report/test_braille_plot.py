"""Plots of characters: where dots stand, axes, lines that share a character, sparklines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibench.report.braille_plot import BARS, Line, plot, sparkline

DOT_ROWS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def dots(lines: list[Line], width: int, height: int) -> set[tuple[int, int]]:
    """The column and row of every dot, read back from the characters."""
    found = set()
    for y, text in enumerate(plot(lines, width, height)[:-1]):
        cells = text.plain.partition("│")[2]
        for x, sign in enumerate(cells):
            bits = ord(sign) - 0x2800
            found |= {(2 * x + c, 4 * y + r) for r in range(4) for c in range(2) if bits & DOT_ROWS[r][c]}
    return found


def test_a_falling_line_goes_from_the_top_left_to_the_bottom_right() -> None:
    found = dots([Line([(1, 10.0), (2, 0.0)])], 30, 4)
    wide = 2 * len(plot([Line([(1, 10.0), (2, 0.0)])], 30, 4)[0].plain.partition("│")[2])
    assert (0, 0) in found
    assert (wide - 1, 15) in found
    by_column = {x: [y for c, y in found if c == x] for x in range(wide)}
    assert all(by_column.values()), "the line has a gap"
    assert [min(by_column[x]) for x in range(wide)] == sorted(min(by_column[x]) for x in range(wide))


def test_the_axes_name_the_ends() -> None:
    *rows, axis = plot([Line([(1, 8.0), (120, 2.0)])], 40, 6)
    assert rows[0].plain.split("│")[0].strip() == "8"
    assert rows[5].plain.split("│")[0].strip() == "2"
    assert axis.plain.split("└")[1].split() == ["1", "120"]
    assert max(len(row.plain) for row in [*rows, axis]) <= 40


def test_values_over_a_factor_of_ten_are_drawn_by_their_logarithm() -> None:
    found = dots([Line([(0, 1.0), (1, 10.0), (2, 100.0)])], 33, 8)
    columns = max(x for x, _ in found)
    (middle,) = {y for x, y in found if x == round(columns / 2)}
    assert abs(middle - 15.5) <= 1, "10 stands in the middle between 1 and 100"


def test_where_two_lines_share_a_character_the_later_style_stands() -> None:
    (row, *_) = plot([Line([(0, 1.0), (1, 1.0)], "red"), Line([(0, 1.0), (1, 1.0)], "blue")], 20, 1)
    assert {str(span.style) for span in row.spans} == {"blue"}


@pytest.mark.parametrize("points", [[(1, 0.5)], [(1, 0.5), (2, 0.5)], [(3, -1.0), (3, 2.0)]])
def test_a_point_or_a_flat_line_is_drawn(points: list[tuple[float, float]]) -> None:
    assert dots([Line(points)], 24, 3)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80), st.integers(1, 30))
def test_a_sparkline_has_its_lowest_and_its_highest_bar(values: list[float], width: int) -> None:
    bars = sparkline(values, width)
    assert len(bars) == min(width, len(values))
    assert set(bars) <= set(BARS)
    if len(set(bars)) > 1:
        assert {BARS[0], BARS[-1]} <= set(bars)


def test_a_sparkline_by_hand() -> None:
    assert sparkline([1.0, 2.0, 3.0, 8.0]) == "▁▂▃█"
    assert sparkline([1.0, 10.0, 100.0]) == "▁▅█"
    assert sparkline([]) == ""
    assert sparkline([0.0, 2.0, 4.0, 6.0], width=2) == "▁█"
