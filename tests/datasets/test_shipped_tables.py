"""`wine` and `breast-cancer`, which scikit-learn ships."""

from __future__ import annotations

import pytest

from calibench import run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rows", "classes", "accuracy"), [("wine", 178, 3, 0.85), ("breast-cancer", 569, 2, 0.9)]
)
def test_a_run_learns_the_classes(name: str, rows: int, classes: int, accuracy: float) -> None:
    record = run("ce+temperature", name, epochs=10, settings=["ce.lr=0.01"], results=None)
    assert sum(record.n.values()) == rows
    assert record.data["classes"] == classes
    assert record.metrics["accuracy"] > accuracy
