"""Reads a transition matrix from a CSV file."""

from __future__ import annotations

import csv
from pathlib import Path

from calibench import InputError
from calibench.lazy import torch

ROW_SUM_TOLERANCE = 1e-3
"""As for probabilities in files: it admits four printed digits. Rows are then divided by their sums."""


def read_matrix(path: str) -> torch.Tensor:
    """`[K, K]` float64 from K lines of K comma-separated shares, each line summing to 1; InputError naming the line."""
    lines = _lines(path)
    if len(lines) < 2:
        message = f"{path}: a transition matrix has one line per class, and this file has {len(lines)}"
        raise InputError(message, "write one line per class, without a header")
    rows = [_row(cells, len(lines), f"{path}: line {number}") for number, cells in lines]
    matrix = torch.tensor(rows, dtype=torch.float64)
    return matrix / matrix.sum(dim=1, keepdim=True)


def _lines(path: str) -> list[tuple[int, list[str]]]:
    """The cells of each line that is not empty, with the line's number."""
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            return [(number, cells) for number, cells in enumerate(csv.reader(file), 1) if cells]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"cannot read {path}: {error}", "write K lines of K shares separated by commas") from None


def _row(cells: list[str], num_classes: int, where: str) -> list[float]:
    """The shares of one line, which are a distribution over labels."""
    try:
        row = [float(cell) for cell in cells]
    except ValueError:
        raise InputError(f"{where}: a value is not a number", "leave out headers and row names") from None
    if len(row) != num_classes:
        message = f"{where} has {len(row)} values, and there are {num_classes} lines"
        raise InputError(message, "write one line per true class and one column per noisy label")
    if not all(0 <= share <= 1 for share in row) or abs(sum(row) - 1) > ROW_SUM_TOLERANCE:
        message = f"{where} is no distribution (it sums to {sum(row):g})"
        raise InputError(message, "write shares that sum to 1: T_ij = P(noisy label j | class i)")
    return row
