"""What columns of cells look like but are not: numbers with a stray word, identifiers, labels that differ in case alone."""

from __future__ import annotations

import math
from collections import Counter

from calibench import InputError
from calibench_datasets.sources.table import MISSING, Column

FEW = 20
"""So many different values are categories even where there are few rows."""

ENOUGH = 10
"""Cells from which on most of them say what a column is meant to hold."""

LARGEST = 3.4e38
"""float32 holds no more."""


def check_columns(
    columns: dict[str, Column], path: str, label: str, drop: str | None, categorical: tuple[str, ...]
) -> None:
    """InputError naming the column and the cell where one-hot features, or classes, would hide a mistake in the file.

    A column of words is suspect where most cells are numbers, or most values occur once; labels where they differ only in
    case, or nearly every row has its own. Columns in `categorical` are taken at their word.
    """
    targets = {label} if label in columns else {part.strip() for part in label.split(";")}
    if not targets <= columns.keys():
        return  # said by who takes them
    dropped = {part.strip() for part in (drop or "").split(";")}
    for name, cells in columns.items():
        where = f"{path}: column {name!r}"
        if name in targets:
            _check_labels(cells, f"{path}: label {name!r}")
        elif name not in dropped:
            _check_cells(cells, where, name, name in categorical)


def _check_cells(cells: Column, where: str, name: str, categorical: bool) -> None:
    held = [cell for cell in cells if cell.lower() not in MISSING]
    numbers = [is_number(cell) for cell in held]
    if all(numbers):
        large = next((cell for cell in held if LARGEST < abs(float(cell)) < math.inf), None)
        if large is not None:
            raise InputError(f"{where}: row {cells.index(large) + 1} is {large}, beyond float32", "scale the column")
    if not held or all(numbers) or categorical:
        return
    odd = next(cell for cell, number in zip(held, numbers, strict=True) if not number)
    if len(held) >= ENOUGH and sum(numbers) > len(held) / 2:
        message = f"{where}: {sum(numbers)} of {len(held)} cells are numbers, and row {cells.index(odd) + 1} is {odd!r}"
        hint = "write a number, or nothing and missing=indicate"
        raise InputError(message, f"{hint}; categorical={name} takes the column for words, drop={name} leaves it out")
    kinds = len(set(held))
    if kinds > FEW and kinds > len(held) / 2:
        message = f"{where}: {kinds} different values in {len(cells)} rows, such as {odd!r}"
        hint = "write numbers plainly, as 1234.5"
        raise InputError(message, f"{hint}; if they name rows, drop={name}; categorical={name} insists on categories")


def _check_labels(cells: Column, where: str) -> None:
    held = [cell for cell in cells if cell]
    named = next((cell for cell in held if cell.lower() in MISSING), None)
    if named is not None:
        message = f"{where}: row {cells.index(named) + 1} is {named!r}, which counts as missing"
        raise InputError(message, "if it is a class, give it another name, as no-illness; else drop such rows")
    kinds = Counter(held)
    alike = Counter(kind.casefold() for kind in kinds)
    twice = next((kind for kind in kinds if alike[kind.casefold()] > 1), None)
    if twice is not None:
        other = next(kind for kind in kinds if kind != twice and kind.casefold() == twice.casefold())
        raise InputError(f"{where}: {twice!r} and {other!r} differ in case alone", "write a class in one way")
    fractions = any("." in kind and is_number(kind) for kind in kinds)  # those have an error of their own
    if not fractions and len(kinds) > FEW and len(kinds) > len(held) / 2:
        message = f"{where}: {len(kinds)} different values in {len(cells)} rows, such as {held[0]!r}"
        raise InputError(message, "is this the label column? a class needs several rows")


def is_number(cell: str) -> bool:
    """Whether Python reads it as a number, 12_3 aside."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
