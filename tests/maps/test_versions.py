"""A map of another version: read if it means the same here, else refused by name."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from map_cases import make

import calibench
from calibench.errors import InputError
from calibench.maps.calibration_map import CalibrationMap
from calibench.maps.document import MapDocument


def older(document: MapDocument, **changes: object) -> MapDocument:
    """The map as if calibench 0.0.1 had fitted it."""
    return dataclasses.replace(document, versions=document.versions | {"calibench": "0.0.1"}, **changes)


@pytest.mark.parametrize("method", ["temperature", "isotonic", "temperature+conformal:method=aps"])
def test_a_version_that_means_the_same_is_read(method: str) -> None:
    logits, labels = make(700, 0)
    fitted = calibench.fit_map(logits, labels, method=method)
    again = CalibrationMap(older(fitted.document))
    assert np.array_equal(again.probs(logits), fitted.probs(logits))


def test_a_version_that_gives_other_values_is_refused_by_name() -> None:
    fitted = calibench.fit_map(*make(700, 0), method="temperature+threshold:value=0.5")
    check = fitted.document.check
    assert check is not None
    moved = np.array(check["probs"])
    moved[0, 0] += 1e-6
    with pytest.raises(InputError, match=r"calibench 0\.0\.1 \(here .*probabilities that differ by 1\.0e-06\ninstall"):
        CalibrationMap(older(fitted.document, check={**check, "probs": moved.tolist()}))
    answers = [-1] * len(check["answers"])
    with pytest.raises(InputError, match="other answers"):
        CalibrationMap(older(fitted.document, check={**check, "answers": answers}))
    for probs in (None, "text", [[1.0]], [["a"]]):
        with pytest.raises(InputError, match=r"calibench 0\.0\.1"):
            CalibrationMap(older(fitted.document, check={**check, "probs": probs}))


def test_a_map_that_depends_on_the_rows_cannot_be_compared() -> None:
    fitted = calibench.fit_map(*make(700, 0), method="prior-correction")
    assert fitted.document.check is None
    with pytest.raises(InputError, match="versions cannot be compared"):
        CalibrationMap(older(fitted.document))


def test_a_parameter_of_a_newer_version_is_refused() -> None:
    fitted = calibench.fit_map(*make(700, 0), method="vector")
    (stage,) = fitted.document.stages
    newer = stage | {"params": stage["params"] | {"l3": 1.0}}
    with pytest.raises(InputError, match="'vector' has no parameter 'l3'"):
        CalibrationMap(dataclasses.replace(fitted.document, stages=[newer]))
