"""One whole record of an invented run, and the folders that a run makes for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calibench.records.record import ResultRecord


def example_record(**changes: Any) -> ResultRecord:
    fields: dict[str, Any] = {
        "run_id": "toy-mlp-ce-s0-abc",
        "recipe": "ce",
        "dataset": "toy",
        "model": "mlp",
        "seed": 0,
        "noise": None,
        "backend": "reference",
        "n": {"train": 6, "val": 2, "cal": 2, "test": 3},
        "metrics": {"accuracy": 0.1 + 0.2, "nll": 5e-324, "selective_risk": None},
        "intervals": {"accuracy": [0.25, 1 / 3], "nll": [0.0, 1.0], "selective_risk": None},
        "noise_floor": {"ece15": {"mean": 0.01, "p95": 0.02}},
        "timings_s": {"total": 1.25},
        "versions": {"calibench": "0.1.0"},
        "units": {"accuracy": {"unit": "fraction", "better": "higher", "rankable": True}},
        "details": {"coverage": {"abstention_per_class": [0.5, None]}},
        "fitted": [{"stage": "ce", "trained": True, "epoch": 3.0}],
        "config": {"seed": 0, "stages": []},
        "seeds": {"run": 0, "stage1": 2**63 - 1},
        "bootstrap": {"seed": 0, "resamples": 1000},
        "data": {"test_fingerprint": "f", "notes": ["é"]},
        "machine": {"cores": 2},
        "code": "c0de",
        "cache": {"hits": [], "made": ["stage1"]},
        "created": "2025-01-01T00:00:00+00:00",
    }
    return ResultRecord(**(fields | changes))


def results_folder(results: Path) -> Path:
    """`results` with the folders in it that a run writes to."""
    (results / "records").mkdir(parents=True)
    (results / "predictions").mkdir()
    return results
