"""The rows of a board that no other beats in both figure and cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from calibench.leaderboard.boards import Board
from calibench.leaderboard.rows import Row
from calibench.leaderboard.units import Units


def with_front(board: Board) -> Board:
    """The board with its Pareto front; without one, and with a note that says why, if its runs come from several machines."""
    if len(board.machines) > 1:
        why = (
            f"no Pareto front: the seconds were measured on {len(board.machines)} machines: {'; '.join(board.machines)}"
        )
        return dataclasses.replace(board, notes=(*board.notes, why))
    front = pareto_front(board.rows, board.metric, board.units)
    return dataclasses.replace(board, front=tuple(row.recipe for row in board.rows if row.recipe in front))


def pareto_front(rows: Sequence[Row], metric: str, units: Units) -> set[str]:
    """The recipes that no other beats: none is at least as good and as cheap, and better in one. Rows that may not rank are out."""
    sign = -1.0 if units[metric]["better"] == "higher" else 1.0
    points = {
        row.recipe: (sign * row.cells[metric].mean, row.seconds)
        for row in rows
        if row.may_rank and metric in row.cells and row.seconds is not None
    }
    front: set[str] = set()
    cheapest: float | None = None
    best_of_equal: tuple[float, float] | None = None
    for recipe, (figure, seconds) in sorted(points.items(), key=lambda item: item[1]):
        if cheapest is None or seconds < cheapest or (figure, seconds) == best_of_equal:
            front.add(recipe)
            cheapest, best_of_equal = seconds, (figure, seconds)
    return front
