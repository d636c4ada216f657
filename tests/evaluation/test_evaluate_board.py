"""`calibench evaluate` of several files: one board, of the same samples or said not to be."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=400)
    logits = rng.normal(size=(400, 3)) + 1.5 * np.eye(3)[labels]
    np.savez(tmp_path / "good.npz", logits=logits, labels=labels)
    np.savez(tmp_path / "sure.npz", logits=5 * logits, labels=labels)
    np.savez(tmp_path / "other.npz", logits=logits[:300], labels=labels[:300])
    return tmp_path


def test_a_board_of_files_lowest_nll_first(cli, files) -> None:
    alone = {name: cli("evaluate", name, "--json").document for name in ("sure.npz", "good.npz")}
    ran = cli("evaluate", "sure.npz", "good.npz", "--json")
    assert ran.document["schema"] == "calibench.evaluations/1"
    assert ran.document["same_samples"] is True
    for found in ran.document["evaluations"]:
        name = found.pop("file")
        assert found == alone[name]
    shown = cli("evaluate", "sure.npz", "good.npz")
    assert shown.out.index("good.npz") < shown.out.index("sure.npz")
    assert f"{100 * alone['sure.npz']['metrics']['ece15']:.2f} [" in shown.out
    assert "sure.npz: miscalibrated, on the whole over-confident" in shown.out
    assert shown.err == ""


def test_a_rule_is_applied_to_each(cli, files) -> None:
    found = cli("evaluate", "sure.npz", "good.npz", "--fit", "threshold:value=0.6", "--json").document["evaluations"]
    assert all(0 < one["after"]["metrics"]["coverage"] <= 1 for one in found)
    shown = cli("evaluate", "sure.npz", "good.npz", "--fit", "threshold:value=0.6")
    assert "after threshold:value=0.6" in shown.out
    assert "coverage" in shown.out


def test_files_of_other_samples_are_not_ranked(cli, files) -> None:
    ran = cli("evaluate", "sure.npz", "other.npz")
    assert "their figures are not of the same samples" in ran.err
    assert ran.out.index("sure.npz") < ran.out.index("other.npz")
    assert cli("evaluate", "sure.npz", "other.npz", "--json").document["same_samples"] is False


def test_a_diagram_of_every_file(cli, files) -> None:
    pytest.importorskip("matplotlib")
    ran = cli("evaluate", "sure.npz", "good.npz", "--plot", "both.svg")
    assert ran.code == 0
    text = (files / "both.svg").read_text()
    assert text.count('<g id="axes_') == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sure.npz", "sure.npz"), "sure.npz is named twice"),
        (
            ("sure.npz", "good.npz", "--fit", "temperature", "--fit-on", "other.npz"),
            "holds the outputs of one classifier",
        ),
        (("sure.npz", "no.npz"), "no.npz"),
        ((), "FILE"),
    ],
)
def test_what_cannot_be_judged_together(cli, files, arguments, words: str) -> None:
    ran = cli("evaluate", *arguments)
    assert ran.code == 2
    assert words in ran.err
    assert ran.out == ""
