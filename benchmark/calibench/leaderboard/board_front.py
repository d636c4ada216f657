"""The rows of a board that no other beats in both figure and seconds."""

from __future__ import annotations

import dataclasses

from calibench.leaderboard.boards import Board
from calibench.leaderboard.pareto import pareto_front


def with_front(board: Board) -> Board:
    """The board with its Pareto front; without one, and with a note that says why, if its runs come from several machines.

    Rows that may not rank, or without seconds, are not on it.
    """
    if len(board.machines) > 1:
        machines = "; ".join(board.machines)
        why = f"no Pareto front: the seconds were measured on {len(board.machines)} machines: {machines}"
        return dataclasses.replace(board, notes=(*board.notes, why))
    points = {
        row.recipe: (row.seconds, row.cells[board.metric].mean)
        for row in board.rows
        if row.may_rank and board.metric in row.cells and row.seconds is not None
    }
    front = pareto_front(points, str(board.units[board.metric]["better"]))
    return dataclasses.replace(board, front=tuple(front))
