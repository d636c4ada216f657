"""Mistakes in a text table that would otherwise become features or classes: stray words, identifiers, labels in two cases."""

from __future__ import annotations

import math
from collections import Counter

from calibench import InputError
from calibench_datasets.readers.cells import Column, is_missing, is_number
from calibench_datasets.readers.table import Roles

FEW = 20
"""A column with at most this many different values holds categories, even if the table has few rows."""

ENOUGH = 10
"""The least number of cells whose majority decides that a column holds numbers."""

LARGEST = 3.4e38
"""The largest value that float32 holds."""


def check_columns(columns: dict[str, Column], roles: Roles, path: str) -> None:
    """InputError naming the column and the cell if one-hot features or classes would hide a mistake in the file.

    A column of words is suspect if most of its cells are numbers, or if most of its values occur once. Labels are suspect
    if they differ only in case, or if nearly every row has its own. Columns that the user calls categorical are not suspect.
    """
    for name in roles.labels:
        _check_labels(columns[name], f"{path}: label {name!r}")
    for name in roles.features(columns):
        _check_feature(columns[name], f"{path}: column {name!r}", name, name in roles.categorical)


def _check_feature(cells: Column, where: str, name: str, categorical: bool) -> None:
    present = [cell for cell in cells if not is_missing(cell)]
    words = [cell for cell in present if not is_number(cell)]
    if not words:
        _refuse_beyond_float32(cells, present, where)
    elif not categorical:
        _refuse_words_among_numbers(cells, present, words, where, name)
        _refuse_identifiers(cells, present, words, where, name)


def _refuse_beyond_float32(cells: Column, numbers: Column, where: str) -> None:
    large = next((cell for cell in numbers if LARGEST < abs(float(cell)) < math.inf), None)
    if large is not None:
        raise InputError(f"{where}: row {cells.index(large) + 1} is {large}, beyond float32", "scale the column")


def _refuse_words_among_numbers(cells: Column, present: Column, words: Column, where: str, name: str) -> None:
    numbers = len(present) - len(words)
    if len(present) >= ENOUGH and numbers > len(present) / 2:
        row = cells.index(words[0]) + 1
        message = f"{where}: {numbers} of {len(present)} cells are numbers, and row {row} is {words[0]!r}"
        hint = "write a number, or leave the cell empty with missing=indicate"
        raise InputError(message, f"{hint}; categorical={name} takes all cells for words; drop={name} leaves them out")


def _refuse_identifiers(cells: Column, present: Column, words: Column, where: str, name: str) -> None:
    values = len(set(present))
    if values > FEW and values > len(present) / 2:
        message = f"{where}: {values} different values in {len(cells)} rows, such as {words[0]!r}"
        hint = "write numbers plainly, as 1234.5"
        raise InputError(message, f"{hint}; if they name rows, drop={name}; categorical={name} insists on categories")


def _check_labels(cells: Column, where: str) -> None:
    labels = [cell for cell in cells if cell]
    _refuse_missing_words(cells, labels, where)
    counts = Counter(labels)
    _refuse_two_cases(counts, where)
    has_fractions = any("." in label and is_number(label) for label in counts)  # refused by table_labels
    if not has_fractions and len(counts) > FEW and len(counts) > len(labels) / 2:
        message = f"{where}: {len(counts)} different values in {len(cells)} rows, such as {labels[0]!r}"
        raise InputError(message, "is this the label column? a class needs several rows")


def _refuse_missing_words(cells: Column, labels: Column, where: str) -> None:
    word = next((label for label in labels if is_missing(label)), None)
    if word is not None:
        message = f"{where}: row {cells.index(word) + 1} is {word!r}, which counts as missing"
        raise InputError(message, "if it is a class, give it another name, as no-illness; else drop such rows")


def _refuse_two_cases(counts: Counter[str], where: str) -> None:
    spelling: dict[str, str] = {}
    for label in counts:
        first = spelling.setdefault(label.casefold(), label)
        if first != label:
            raise InputError(f"{where}: {first!r} and {label!r} differ in case alone", "write a class in one way")
