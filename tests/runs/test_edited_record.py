"""A stored record that somebody edited is not given back: its figures must follow from its predictions, and these from the data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from short_runs import short_run

from calibench.atomic import digest_of
from calibench.errors import CalibenchWarning
from calibench.leaderboard.boards import boards
from calibench.records.record import ResultRecord
from calibench.records.store import read_records

Arrays = dict[str, Any]


def with_predictions(results: Path, record: ResultRecord, change: Callable[[Arrays], Arrays]) -> None:
    """Change the predictions of a record, and mend their checksum in it."""
    assert record.predictions is not None
    file = results / record.predictions["file"]
    save_file({name: np.ascontiguousarray(array) for name, array in change(load_file(file)).items()}, file)
    edit(results, record, "predictions", {**record.predictions, "sha256": digest_of(file)})


def edit(results: Path, record: ResultRecord, name: str, value: Any) -> None:
    """Change a field of a stored record."""
    file = results / "records" / f"{record.run_id}.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), name: value}))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("metrics", {"ece15": 0.001}, "ece15 is 0.001, and the predictions give"),
        ("intervals", {"nll": [0.0, 0.001]}, "the interval of nll is"),
        ("noise_floor", {"ece15": {"mean": 0.5, "p95": 0.6}}, "the noise floor of ece15 is"),
        ("n", {"test": 7}, "test has 7 samples"),
    ],
)
def test_an_edited_figure_is_made_again_and_said(name: str, value: Any, says: str, blobs: str, tmp_path: Path) -> None:
    first = short_run("ce", blobs, tmp_path)
    edit(tmp_path, first, name, {**getattr(first, name), **value})
    with pytest.warns(CalibenchWarning, match=f"was edited or damaged, and the run is made again: {says}"):
        second = short_run("ce", blobs, tmp_path)
    assert second.metrics == first.metrics
    assert read_records(tmp_path) == [second]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda arrays: {**arrays, "test.labels": arrays["test.labels"][::-1]}, "and the predictions give"),
        (lambda arrays: {**arrays, "test.ids": arrays["test.ids"] * 0}, "ids of test stand twice"),
        (lambda arrays: {**arrays, "test.ids": arrays["test.ids"][::-1]}, "the ids of test are not those of the data"),
        (lambda arrays: {k: v for k, v in arrays.items() if k != "test.labels"}, "hold no scores, labels or ids"),
    ],
)
def test_changed_predictions_are_found_behind_a_mended_checksum(
    change: Callable[[Arrays], Arrays], says: str, blobs: str, tmp_path: Path
) -> None:
    first = short_run("ce", blobs, tmp_path)
    with_predictions(tmp_path, first, change)
    with pytest.warns(CalibenchWarning, match=says):
        assert short_run("ce", blobs, tmp_path).metrics == first.metrics


def test_a_figure_far_from_its_resamples_has_no_rank(blobs: str, tmp_path: Path) -> None:
    first = short_run("ce", blobs, tmp_path)
    short_run("ce+temperature", blobs, tmp_path)
    edit(tmp_path, first, "metrics", {**first.metrics, "ece15": 0.99})
    (board,) = boards(read_records(tmp_path), tmp_path, "ece15")
    assert [bool(row.faults) for row in board.rows] == [False, True]
    assert "ece15 is 0.99, and in its resamples" in board.rows[-1].faults[0]
