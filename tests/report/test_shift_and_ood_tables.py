"""The tables of shifts and OOD sets: curves over severity, means over seeds, intervals of one run, what is undefined."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import pytest
from board_records import unstored_record
from rich.console import Console
from rich.table import Table

from calibench.records.record import ResultRecord
from calibench.report.ood_table import ood_table
from calibench.report.shift_table import shift_tables


def lines(table: Table) -> list[str]:
    """The printed lines without the spaces between cells."""
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(table)
    return [" ".join(line.split()) for line in console.export_text().splitlines() if line.strip()]


def shifted_record(seed: int, accuracy: list[float | None], **metrics: float) -> ResultRecord:
    rows = [
        {
            "shift": "rotation",
            "kind": "turn",
            "severity": k + 1,
            "metrics": {"accuracy": value, "ece15": 0.1, "nll": 2.0},
        }
        for k, value in enumerate(accuracy)
    ]
    about = {"shift": "rotation", "variants": len(rows), "mean_over": len(rows), "notes": ["grey"], "files": ""}
    every = {"accuracy": 0.9, "ece15": 0.05, "nll": 0.5, **metrics}
    return unstored_record("ce", seed, every, shift=rows, data={"shift": [about]}, intervals={"accuracy": [0.8, 0.95]})


MEANS = {"shift_accuracy_rotation": 0.6, "shift_ece15_rotation": 0.1, "shift_nll_rotation": 2.0}


def test_a_curve_runs_over_severity_and_ends_with_the_mean() -> None:
    (table,) = shift_tables([shifted_record(0, [0.8, 0.4], **MEANS), shifted_record(1, [0.8, 0.2], **MEANS)])
    title, head, _, curve, mean, unshifted, *notes = lines(table)
    assert title == "shift rotation, toy; from the first severity to the last, mean over seeds"
    assert head == "method kind accuracy % ece15 % nll nats"
    assert curve == "ce turn █▄ 80.00 30.00 ██ 10.00 10.00 ██ 2.0000 2.0000"
    assert mean == "mean 60.00 10.00 2.0000"
    assert unshifted == "unshifted 90.00 5.00 0.5000"
    assert notes == ["2 variants; mean: over 2 variants; grey", "[95 % interval of one run over test samples]"]


def test_one_run_shows_its_interval_and_no_mean_where_there_is_none() -> None:
    (table,) = shift_tables([shifted_record(0, [0.8, None])])
    *_, curve, unshifted, _, _ = lines(table)
    assert curve == "ce turn - ██ 10.00 10.00 ██ 2.0000 2.0000"
    assert unshifted == "unshifted 90.00 [80.00, 95.00] 5.00 0.5000"


def test_seeds_with_other_variants_have_no_mean_over_them() -> None:
    (table,) = shift_tables([shifted_record(0, [0.8, 0.4]), shifted_record(1, [0.8])])
    assert "ce turn - - -" in lines(table)


@pytest.mark.parametrize("data", [{}, {"shift": None}, {"shift": [None, {}]}, {"shift": [{"shift": "rotation"}]}])
def test_a_record_without_facts_about_its_shift_has_a_table(data: dict[str, Any]) -> None:
    record = dataclasses.replace(shifted_record(0, [0.8, 0.4]), data=data)
    (table,) = shift_tables([record])
    assert "2 variants; no mean: not every variant is there" in lines(table)


FIGURES = {"auroc": 0.9, "aupr": 0.8, "aupr_out": 0.7, "fpr95": 0.25}


def ood_record(recipe: str, seed: int, figures: dict[str, Any], **row: Any) -> ResultRecord:
    intervals = {name: None if value is None else [value - 0.1, value + 0.05] for name, value in figures.items()}
    entry = {"set": "svhn", "group": "far", "score": "energy", "n": 50, "metrics": figures, "intervals": intervals}
    means = {f"ood_{name}_far_energy": value for name, value in figures.items()} if row.pop("mean", False) else {}
    return unstored_record(recipe, seed, means, ood=[entry | row])


def test_a_figure_that_a_row_lacks_is_undefined() -> None:
    assert any(line.startswith("ce svhn far energy 50 - - - -") for line in lines(ood_table([ood_record("ce", 0, {})])))


def test_an_ood_set_is_a_line_with_the_interval_of_one_run() -> None:
    table = ood_table([ood_record("ce", 0, FIGURES)])
    assert table is not None
    title, head, _, line, *_ = lines(table)
    assert title == "OOD sets against the test rows of toy"
    assert head == "method set group score rows auroc % aupr % aupr_out % fpr95 %"
    assert line.startswith("ce svhn far energy 50 90.00 [80.00, 95.00] 80.00 [70.00, 85.00]")


def test_ood_figures_are_means_over_seeds_and_groups_have_a_line() -> None:
    worse = FIGURES | {"auroc": 0.7}
    table = ood_table([ood_record("ce", 0, FIGURES, mean=True), ood_record("ce", 1, worse, mean=True)])
    assert table is not None
    assert lines(table)[3:5] == [
        "ce svhn far energy 50 80.00 80.00 70.00 25.00",
        "ce far mean far energy 80.00 80.00 70.00 25.00",
    ]


def test_undefined_ood_figures_say_why() -> None:
    undefined = dict.fromkeys(FIGURES)
    record = ood_record("bce", 0, undefined, note="probabilities have no energy", group=None)
    table = ood_table([ood_record("ce", 0, FIGURES), record])
    assert table is not None
    text = lines(table)
    assert text[4] == "bce svhn - energy 50 - - - -"
    assert text[-1] == "bce: probabilities have no energy"


def test_there_is_no_table_without_ood_sets_or_shifts() -> None:
    record = unstored_record("ce", 0, {"nll": 1.0})
    assert ood_table([record]) is None
    assert shift_tables([record]) == []
