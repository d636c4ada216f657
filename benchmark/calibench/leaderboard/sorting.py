"""Boards in the order that the user asked for; ranks stay those of the board's metric."""

from __future__ import annotations

import dataclasses

from calibench.errors import InputError, did_you_mean
from calibench.leaderboard.boards import Board
from calibench.leaderboard.rows import Row

NAME = "name"


def sorted_board(board: Board, by: str) -> Board:
    """The rows by `METRIC` from low to high, by `-METRIC` from high to low, or by `name`.

    Rows without the figure come behind the others, and those that may not rank last. InputError for a metric that the board does
    not have.
    """
    metric = by.removeprefix("-")
    if by == f"-{NAME}":
        raise InputError(f"--sort {by}: names have one order, from a to z", f"say --sort {NAME}")
    if by != NAME and metric not in board.units:
        hint = did_you_mean(metric, [NAME, *board.units])
        raise InputError(f"--sort {by}: no record on this board has the metric {metric!r}", hint)
    sign = -1.0 if by.startswith("-") else 1.0

    def key(row: Row) -> tuple[bool, bool, float, str]:
        if by == NAME:
            return False, False, 0.0, row.recipe
        cell = row.cells.get(metric)
        return not row.may_rank, cell is None, 0.0 if cell is None else sign * cell.mean, row.recipe

    return dataclasses.replace(board, rows=tuple(sorted(board.rows, key=key)), sorted_by=by)
