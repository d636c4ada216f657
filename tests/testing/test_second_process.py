"""How results of two processes are compared: roundings pass, everything else is named by its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from calibench.testing.second_process import difference


@dataclass
class Result:
    """A result with a tensor and learned values."""

    scores: torch.Tensor
    fitted: list[dict[str, Any]]


def result(**values: Any) -> Result:
    return Result(torch.tensor([1.0, float("nan")]), [{"stage": "a", "t": 0.5, "nan": float("nan"), **values}])


@pytest.mark.parametrize(
    ("a", "b", "place"),
    [
        (result(), result(), ""),
        (result(t=0.5), result(t=0.5 + 1e-9), ""),
        (result(t=0.5), result(t=0.51), "t"),
        (result(t=0.5), result(t="0.5"), "t"),
        (result(t=0.5), result(other=1), "0"),
        (result(n=3), result(n=4), "n"),
        (Result(torch.zeros(2), []), Result(torch.zeros(3), []), "scores"),
        (Result(torch.zeros(2), []), Result(torch.tensor([0.0, 1.0]), []), "scores"),
        ((np.array(["a", "b"]),), (np.array(["a", "c"]),), "0"),
        ((np.array([1, 2]),), (np.array([1, 2]),), ""),
        (None, None, ""),
        (True, False, "the result"),
    ],
)
def test_the_place_of_the_first_difference(a: Any, b: Any, place: str) -> None:
    assert difference(a, b, "the result") == place
