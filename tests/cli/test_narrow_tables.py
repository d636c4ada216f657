"""Tables on narrow terminals: no figure and no name is cut; columns without room are named."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from rich.console import Console

import calibench
from calibench.cli import thresholds
from calibench.cli.narrow import widest
from calibench.cli.parts_tables import OOD_LEFT_OUT, ood_table, print_parts


def console(width):
    return Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, highlight=False)


@pytest.fixture(scope="module")
def record():
    rng = np.random.default_rng(0)
    p = rng.random(1500)
    y = (rng.random(1500) < p**2).astype(int)
    groups = rng.choice(["\u00cele-de-France", "a hospital whose name is long", "b"], 1500)
    return calibench.evaluate(
        probs=np.stack([1 - p, p], axis=1), labels=y, groups=groups, time=np.arange(1500), class_names=["no", "yes"]
    )


@pytest.mark.parametrize("width", [80, 100, 120, 190])
def test_groups(record, width):
    out = console(width)
    print_parts(record, out)
    text = out.file.getvalue()
    assert "\u2026" not in text
    assert max(map(len, text.splitlines())) <= width
    assert "\u00cele-de-France" in text
    assert "miscalibrated" in text
    assert re.search(r"group b: class yes: \d+ predicted, \d+ observed", " ".join(text.split()))
    assert ("no room for" in text) == (width < 150)
    assert "95 % sure for all periods together" in " ".join(text.split())


@pytest.mark.parametrize("width", [80, 120, 190])
def test_operating_points(width):
    rng = np.random.default_rng(0)
    p = rng.random(500)
    points = calibench.thresholds(
        probs=np.stack([1 - p, p], axis=1),
        labels=(rng.random(500) < p).astype(int),
        target_risk=[0.1, 0.2],
        target_coverage=0.9,
    )
    out = console(width)
    table, left_out = widest(out, ((), ("intervals",)), lambda without: thresholds.points_table(points, without))
    out.print(table)
    text = out.file.getvalue()
    assert "threshold:target_coverage=0.9" in text
    assert "\u2026" not in text
    assert bool(left_out) == (width < 100)


def test_a_threshold_that_rounds_to_one_is_told_by_its_distance():
    assert thresholds._limit(1 - 3e-9) == "1 - 3e-09"
    assert thresholds._limit(1.0) == "1"
    assert thresholds._limit(0.25) == "0.25"


@pytest.mark.parametrize("width", [80, 120, 190])
def test_ood_sets(width):
    names = ("auroc", "aupr", "aupr_out", "fpr95")
    row = {"set": "other", "score": "max-softmax", "n_out": 500, "mean_confidence": 0.7677}
    row |= {"metrics": dict.fromkeys(names, 0.4898), "intervals": {name: [0.4637, 0.5173] for name in names}}
    out = console(width)
    table, left_out = widest(out, OOD_LEFT_OUT, lambda without: ood_table([row], without))
    out.print(table)
    text = out.file.getvalue()
    assert "max-softmax" in text
    assert "\u2026" not in text
    assert ("intervals" in left_out) == (width < 130)
