"""`cost`: the decision with the least expected cost, by the user's own matrix."""

from __future__ import annotations

import csv
import math
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
    summary="Decide, or abstain, at the least expected cost by a matrix of yours.",
    params=(
        Param(
            "matrix",
            "path",
            REQUIRED,
            "CSV, no header: line k holds what each decision costs where class k is true; K numbers, or one more for "
            "abstention",
            "cost",
        ),
    ),
    equation="answer = argmin over d of sum_k p_k cost[k, d]",
    paper="C. Elkan, The Foundations of Cost-Sensitive Learning, IJCAI 2001; Chow 1970 for abstention",
    deviations=("equal expected costs: the lowest class answers, and abstention only where nothing else is as cheap",),
)


class Cost(DecisionRule):
    """`argmin over d of sum_k p_k cost[k, d]`: the lowest class among equals, abstention only where it alone is least.

    `matrix` is a CSV file of K lines, one a true class, of K or K + 1 numbers, one a decision; the last of K + 1 is
    abstention. Empty lines and lines that begin with # are skipped. Raises InputError naming the line.
    """

    def __init__(self, matrix: str) -> None:
        self.path = matrix
        self.rows = _read(Path(matrix))
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
        # Class by class and not as a product of matrices, whose order of summing may change with the number of threads.
        probs = outputs.probs().cpu()
        expected = torch.stack([(probs * column).sum(dim=1) for column in costs.T], dim=1)
        answers = expected.argmin(dim=1)
        return Decisions(answers.where(answers < len(costs), ABSTAIN), costs=costs)


def _read(path: Path) -> list[list[float]]:
    if not path.is_file():
        raise InputError(
            f"cost: there is no file {str(path)!r}", "check the path; write one line of costs a true class"
        )
    rows: list[list[float]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for number, line in enumerate(csv.reader(file), start=1):
                if not line or not "".join(line).strip() or line[0].lstrip().startswith("#"):
                    continue
                rows.append([_number(cell, f"cost: {path}, line {number}") for cell in line])
                if len(rows[-1]) != len(rows[0]):
                    message = f"cost: {path}, line {number} has {len(rows[-1])} numbers, the first {len(rows[0])}"
                    raise InputError(message, "one number a decision on every line")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cost: cannot read {path}: {error}", "write numbers with commas between, UTF-8") from None
    if not rows:
        raise InputError(f"cost: {path} holds no numbers", "write one line of costs for each true class")
    return rows


def _number(cell: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(
            f"{where}: {cell.strip()!r} is not a finite number", "write plain numbers, without a header line"
        )
    return value
