"""Labels that a compiled operator draws and counts: the same distribution as the definition, and one set of labels for all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from metric_cases import simulated

from calibench.evaluation.counts import ClassCounts, RightAnswers
from calibench.metrics import floor_counts
from calibench.metrics.classwise_ece import ClasswiseECE
from calibench.metrics.ece import ECE
from calibench.metrics.ece_equal_mass import EqualMassECE
from calibench.metrics.floor_counts import LabelsInBins, RightInCells, counted_draws, joint_cells
from calibench.metrics.judged import Judged
from calibench.metrics.label_draws import draw_labels
from calibench.metrics.noise_floor import drawn_figures
from calibench.outputs.outputs import Outputs


def all_counts(judged, wanted, draws, seed=0):
    blocks = {name: [] for name in wanted}
    for counts in counted_draws(judged, wanted, draws, seed):
        for name, block in counts.items():
            blocks[name].append(block)
    return {name: np.concatenate(parts, axis=1) for name, parts in blocks.items()}


def test_joint_cells_name_every_combination_that_occurs():
    rng = np.random.default_rng(0)
    wanted = [RightInCells(rng.integers(5, size=300), 7), RightInCells(rng.integers(3, size=300), 3)]
    joint, parts = joint_cells(wanted, 300)
    assert joint.max() + 1 == len(parts[0]) == len(np.unique(np.stack([want.cell for want in wanted]), axis=1).T)
    for want, part in zip(wanted, parts, strict=True):
        np.testing.assert_array_equal(part[joint], want.cell)


def test_many_combinations_are_sorted(monkeypatch):
    rng = np.random.default_rng(1)
    wanted = [RightInCells(rng.integers(50, size=200), 50), RightInCells(rng.integers(40, size=200), 40)]
    expected = joint_cells(wanted, 200)
    monkeypatch.setattr(floor_counts, "MOST_CODES", 0)
    joint, parts = joint_cells(wanted, 200)
    np.testing.assert_array_equal(joint, expected[0])
    for part, other in zip(parts, expected[1], strict=True):
        np.testing.assert_array_equal(part, other)


def test_nothing_wanted_is_one_cell():
    joint, parts = joint_cells([], 4)
    assert (joint.tolist(), [part.tolist() for part in parts]) == ([0] * 4, [[0]])


def test_all_figures_of_a_draw_are_of_the_same_labels():
    judged = simulated(200, 4, seed=5)
    right = RightInCells(np.zeros(judged.n, dtype=np.int64), 1)
    by_bin = RightInCells(judged.bin_index(15), 15)
    counts = all_counts(judged, {"all": right, "bins": by_bin, "15": LabelsInBins(15), "4": LabelsInBins(4)}, 100)
    np.testing.assert_array_equal(counts["all"][0], counts["bins"].sum(axis=0))
    classes = {name: counts[name].reshape(4, -1, 100).sum(axis=1) for name in ("15", "4")}
    np.testing.assert_array_equal(classes["15"], classes["4"])
    assert (classes["15"].sum(axis=0) == judged.n).all()


def test_the_size_of_blocks_changes_no_draw(monkeypatch):
    judged = simulated(150, 3, seed=6)
    wanted = {"bins": RightInCells(judged.bin_index(15), 15), "class": LabelsInBins(15)}
    whole = all_counts(judged, wanted, 300)
    monkeypatch.setattr(floor_counts, "BLOCK_LABELS", 1)
    for name, counts in all_counts(judged, wanted, 300).items():
        np.testing.assert_array_equal(counts, whole[name])


@pytest.mark.slow
@pytest.mark.parametrize("from_probs", [False, True])
def test_the_draws_are_those_of_the_probabilities(from_probs):
    """Mean and variance of every figure agree with those of labels that numpy draws."""
    judged = simulated(400, 5, seed=7)
    if from_probs:
        judged = Judged(Outputs(torch.from_numpy(judged.probs.copy()), True), torch.tensor(judged.labels))
    figures = {
        "ece": ECE(15),
        "mass": EqualMassECE(10),
        "class": ClasswiseECE(15),
        "right": RightAnswers(judged),
        "classes": ClassCounts(judged),
    }
    drawn = drawn_figures(judged, figures, draws=4000, seed=1)
    blocks = [(correct.copy(), labels.copy()) for correct, labels in draw_labels(judged, 4000, seed=2)]
    for name, figure in figures.items():
        expected = np.concatenate([figure.floor_draws(judged, *block) for block in blocks])
        spread = expected.std(axis=0)
        assert (np.abs(drawn[name].mean(axis=0) - expected.mean(axis=0)) < 5 * spread * np.sqrt(2 / 4000)).all(), name
        np.testing.assert_allclose(drawn[name].std(axis=0), spread, rtol=0.1, err_msg=name)
