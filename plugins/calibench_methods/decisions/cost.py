"""`cost`: the decision with the least expected cost under the user's cost matrix."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calibench import REQUIRED, DecisionRule, InputError, MethodSpec, Outputs, Param
from calibench.atomic import digest_of
from calibench.lazy import torch
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import ABSTAIN

SPEC = MethodSpec(
    name="cost",
    kind="decision",
    target=f"{__name__}:Cost",
    summary="The decision, or abstention, with the least expected cost under your cost matrix.",
    params=(
        Param(
            "matrix",
            "path",
            REQUIRED,
            "CSV without a header: line k has the cost of each decision if class k is true; K numbers, or one more for "
            "abstention",
            "cost",
        ),
    ),
    equation="answer = argmin over d of sum_k p_k cost[k, d]",
    use_when="errors have different prices that you can write down, abstention included",
    avoid_when="probabilities are not calibrated: expected costs are then wrong, so put a calibrator before it",
    cost="k x K or K x (K + 1) products a row; nothing is fitted",
    paper="C. Elkan, The Foundations of Cost-Sensitive Learning, IJCAI 2001; Chow 1970 for abstention",
    deviations=(
        "among equal expected costs the lowest class index answers; abstention wins only if it alone is cheapest",
    ),
)


class Cost(DecisionRule):
    """`argmin over d of sum_k p_k cost[k, d]`: the lowest class among equals, and abstention only if it alone is cheapest.

    `matrix` is a CSV file with a line for each of the K true classes, and K or K + 1 numbers in a line, one per decision; the
    last of K + 1 is abstention. Empty lines and lines that begin with # are skipped. InputError names the line.
    """

    def __init__(self, matrix: str) -> None:
        self.path = matrix
        self.rows = read_costs(Path(matrix))
        self.files = digest_of(Path(matrix))

    def check(self, num_classes: int) -> None:
        """InputError unless the matrix is K x K or K x (K + 1)."""
        shape = len(self.rows), len(self.rows[0])
        if shape[0] != num_classes or shape[1] not in {num_classes, num_classes + 1}:
            message = f"cost: {self.path} holds {shape[0]} x {shape[1]} numbers for {num_classes} classes"
            raise InputError(message, f"give {num_classes} lines of {num_classes}, or of {num_classes + 1} to abstain")

    def decide(self, outputs: Outputs, fitted: dict[str, Any]) -> Decisions:
        """Class indices `[N]`, -1 for abstention."""
        costs = torch.tensor(self.rows, dtype=torch.float64)
        # Class by class: the order of sums in a product of matrices can change with the number of threads.
        probs = outputs.probs().cpu()
        expected = torch.stack([(probs * column).sum(dim=1) for column in costs.T], dim=1)
        answers = expected.argmin(dim=1)
        return Decisions(answers.where(answers < len(costs), ABSTAIN), costs=costs)


def read_costs(path: Path) -> list[list[float]]:
    """The lines of the file as rows of numbers, all of one length; InputError naming the line."""
    if not path.is_file():
        message = f"cost: there is no file {str(path)!r}"
        raise InputError(message, "check the path; the file needs one line of costs for each true class")
    rows: list[list[float]] = []
    for number, cells in _lines(path):
        where = f"cost: {path}, line {number}"
        rows.append([_finite(cell, where) for cell in cells])
        if len(rows[-1]) != len(rows[0]):
            message = f"{where} has {len(rows[-1])} numbers, and the first line has {len(rows[0])}"
            raise InputError(message, "write one number per decision on every line")
    if not rows:
        raise InputError(f"cost: {path} contains no numbers", "write one line of costs for each true class")
    return rows


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The number and the cells of each line that is neither empty nor a comment."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for number, cells in enumerate(csv.reader(file), start=1):
                if "".join(cells).strip() and not cells[0].lstrip().startswith("#"):
                    yield number, cells
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cost: cannot read {path}: {error}", "write numbers separated by commas, in UTF-8") from None


def _finite(cell: str, where: str) -> float:
    """The number in a cell; InputError if it is not a finite number."""
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        message = f"{where}: {cell.strip()!r} is not a finite number"
        raise InputError(message, "write plain numbers, without a header line")
    return value
