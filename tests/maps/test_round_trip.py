"""Must show: a map that is fitted in one process and applied in another equals `evaluate --fit`, for every method."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from map_cases import CASES, RULES, make, map_file, needs_fit, recipe, scores

import calibench
from calibench.outputs.readers import read_outputs
from calibench.plugins.discovery import registry

KINDS = ("logits", "probs")
pytestmark = pytest.mark.slow


def test_every_registered_method_has_a_case() -> None:
    named = {piece.partition(":")[0] for case in CASES for piece in case.split("+")}
    kinds = ("calibrator", "decision")
    ours = [entry.spec for entry in registry().all("method") if entry.plugin.distribution == "calibench"]
    assert {spec.name for spec in ours if getattr(spec, "kind", "") in kinds} == named


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_a_map_through_another_process_equals_evaluate_fit(case: str, kind: str, folder: Path) -> None:
    logits, labels = make(500, 1)
    fit_logits, fit_labels = make(700, 0)
    fit_on = {f"fit_{key}": value for key, value in scores(kind, fit_logits).items()} | {"fit_labels": fit_labels}
    if not needs_fit(case):
        fit_on = {}
    options = scores(kind, logits) | fit_on
    expected = calibench.evaluate(labels=labels, fit=recipe(case, folder), resamples=0, **options)
    assert expected.after is not None
    assert expected.judged_after is not None
    path = map_file(folder, case, kind)
    with np.load(path.with_suffix(".npz")) as stored:
        written = {name: stored[name] for name in stored.files}
    want = np.asarray(expected.judged_after.probs)
    assert np.abs(written["probs"] - want).max() <= 1e-12
    assert np.array_equal(written["labels"], labels)

    # The stored file, judged as any other file.
    outputs, truth = read_outputs(path.with_suffix(".npz"))
    again = calibench.evaluate(probs=outputs.array, labels=truth, resamples=0).metrics
    close(again, {name: expected.after["metrics"][name] for name in again if name in expected.after["metrics"]})

    # The map, as `evaluate --map` judges by it: with the rule's figures.
    fitted = calibench.load_map(path)
    by_map = calibench.evaluate(labels=labels, map=fitted, resamples=0, **scores(kind, logits))
    assert by_map.after is not None
    close(by_map.after["metrics"], expected.after["metrics"])

    assert np.abs(fitted.probs(scores(kind, logits)[kind]) - want).max() <= 1e-12
    if case in RULES:
        decided = fitted.decide(scores(kind, logits)[kind])
        assert np.array_equal(decided.answers, expected.judged_after.decisions)
        assert np.array_equal(written["decisions"], expected.judged_after.decisions)
        assert (decided.sets is None) == (expected.judged_after.sets is None)
        if decided.sets is not None:
            assert np.array_equal(decided.sets, expected.judged_after.sets)
            assert np.array_equal(written["sets"], expected.judged_after.sets)


def close(figures: dict[str, float | None], expected: dict[str, float | None]) -> None:
    """Every figure is there and equal to 1e-12."""
    assert figures.keys() == expected.keys()
    assert len(figures) >= 10
    for name, value in expected.items():
        if value is None:
            assert figures[name] is None, name
        else:
            assert figures[name] == pytest.approx(value, rel=1e-12, abs=1e-12), name


def test_a_map_that_estimates_class_shares_takes_them_from_the_rows_it_maps(folder: Path) -> None:
    summaries = json.loads((folder / "summaries.json").read_text())
    name = map_file(folder, "prior-correction", "logits").name
    assert summaries[name] == [500, None, ["prior-correction"]]
    assert summaries[map_file(folder, "temperature", "logits").name] == [500, None, []]
