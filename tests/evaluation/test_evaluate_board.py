"""`calibench evaluate` of several files: one board, ranked if all files hold the same samples."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=150)
    logits = rng.normal(size=(150, 3)) + 1.5 * np.eye(3)[labels]
    np.savez(tmp_path / "good.npz", logits=logits, labels=labels)
    np.savez(tmp_path / "sure.npz", logits=5 * logits, labels=labels)
    np.savez(tmp_path / "other.npz", logits=logits[:100], labels=labels[:100])
    return tmp_path


@pytest.mark.slow
def test_a_board_of_files_lowest_brier_first(cli, files) -> None:
    alone = {name: cli("evaluate", name, "--json").document for name in ("sure.npz", "good.npz")}
    ran = cli("evaluate", "sure.npz", "good.npz", "--json")
    assert ran.document["schema"] == "calibench.evaluations/2"
    assert ran.document["same_samples"] is True
    for evaluation in ran.document["evaluations"]:
        assert evaluation == alone[evaluation["file"]]
    printed = cli("evaluate", "sure.npz", "good.npz")
    assert printed.out.index("good.npz") < printed.out.index("sure.npz")
    assert f"{100 * alone['sure.npz']['metrics']['ece15']:.2f} [" in printed.out
    assert "sure.npz: miscalibrated, strongly over-confident" in printed.out
    assert printed.err == ""


@pytest.mark.slow
def test_a_decision_rule_is_applied_to_each_file(cli, files) -> None:
    document = cli("evaluate", "sure.npz", "good.npz", "--fit", "threshold:value=0.6", "--json").document
    coverages = [evaluation["after"]["metrics"]["coverage"] for evaluation in document["evaluations"]]
    assert len(coverages) == 2
    assert all(0 < coverage <= 1 for coverage in coverages)
    printed = cli("evaluate", "sure.npz", "good.npz", "--fit", "threshold:value=0.6")
    assert "after threshold:value=0.6" in printed.out
    assert "coverage" in printed.out


@pytest.mark.slow
def test_files_of_different_samples_are_not_ranked(cli, files) -> None:
    ran = cli("evaluate", "sure.npz", "other.npz")
    assert "their figures are not of the same samples" in ran.err
    assert ran.out.index("sure.npz") < ran.out.index("other.npz")
    assert cli("evaluate", "sure.npz", "other.npz", "--json").document["same_samples"] is False


@pytest.mark.slow
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
def test_files_that_cannot_be_judged_together_are_refused(cli, files, arguments, words: str) -> None:
    ran = cli("evaluate", *arguments)
    assert ran.code == 2
    assert words in ran.err
    assert ran.out == ""


@pytest.mark.slow
@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_narrow_terminal_cuts_no_digit_and_breaks_no_word(cli, files, monkeypatch, width) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, color_system=None, width=width, highlight=False)
    monkeypatch.setattr("calibench.cli.evaluate_board.stdout", lambda: console)
    document = cli("evaluate", "sure.npz", "good.npz", "--json").document
    cli("evaluate", "sure.npz", "good.npz")
    printed = written.getvalue()
    words = set(printed.split())
    for evaluation in document["evaluations"]:
        assert f"{evaluation['metrics']['brier']:.4f} [" in printed
        assert set(evaluation["verdict"].split()) <= words
    assert "\u2026" not in printed
    assert max(map(len, printed.splitlines())) <= width
    assert "no room for" in printed
