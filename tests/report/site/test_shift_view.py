"""Shifted test splits, OOD sets and several labels on the page of a run."""

from __future__ import annotations

import dataclasses

import pytest
from site_entries import entries

from calibench.records.record import ResultRecord
from calibench.report.site.class_view import label_table
from calibench.report.site.pages import run_page
from calibench.report.site.shift_view import ood_page_table, shift_page_table


def row(accuracy: float | None, **more: object) -> dict[str, object]:
    """A row of a shift."""
    figures = {"accuracy": accuracy, "ece15": 0.1, "nll": 0.7}
    intervals = {name: [0.05, 0.95] for name in figures}
    return {
        "shift": "rotation",
        "kind": "rotation",
        "severity": 45.0,
        "n": 9,
        "metrics": figures,
        "intervals": intervals,
        **more,
    }


@pytest.fixture(scope="module")
def record() -> ResultRecord:
    return next(record for record in entries(("ce",)) if record.dataset == "digits")


def test_variants_have_the_mean_over_seeds_and_one_seed_its_interval(record):
    one = dataclasses.replace(record, shift=[row(0.5), row(0.25, severity=90.0)])
    other = dataclasses.replace(record, seed=9, shift=[row(0.75), row(None, severity=90.0)])
    single, both = shift_page_table([one], "t"), shift_page_table([one, other], "t")
    assert [(cell.text, cell.small) for cell in single.lines[0].cells][:5] == [
        *(("rotation", ""), ("rotation", ""), ("45", ""), ("9", "")),
        ("50.00", "[5.00, 95.00]"),
    ]
    assert [(line.cells[4].text, line.cells[4].small) for line in both.lines] == [("62.50", ""), ("-", "")]
    assert [head.better for head in both.heads][4:] == ["higher", "lower", "lower"]


def test_ood_sets_have_their_figures(record):
    figures = {"auroc": 0.9, "aupr": 0.8, "aupr_out": 0.7, "fpr95": 0.2}
    found = {"set": "<svhn>", "group": "far", "score": "energy", "n": 60, "metrics": figures}
    table = ood_page_table(
        [dataclasses.replace(record, ood=[{**found, "intervals": {name: [0.1, 0.95] for name in figures}}])], "t"
    )
    (line,) = table.lines
    assert [cell.text for cell in line.cells] == ["<svhn>", "far", "energy", "60", "90.00", "80.00", "70.00", "20.00"]
    assert line.cells[4].small == "[10.00, 95.00]"


def test_runs_without_shift_and_ood_have_no_such_tables(record):
    assert shift_page_table([record], "t") is None
    assert ood_page_table([record], "t") is None


def test_labels_are_those_of_the_record(record):
    labels = [
        {"name": "<dog>", "calibrated": "no_sign", "predicted": 12.34, "observed": 13.0, "detectable": 0.1, "p": 0.5}
    ]
    (line,) = label_table(labels, "t").lines
    assert [cell.text for cell in line.cells] == ["<dog>", "no sign", "12.3", "13"]


def test_the_page_has_the_tables(record):
    page = run_page(dataclasses.replace(record, shift=[row(0.5)]), ([], "none are stored"))
    assert "Shifted test splits" in page
    assert "There are no pictures: none are stored." in page


def test_rows_with_nothing_but_what_a_record_must_have_stand_on_the_page(record):
    least = record.to_dict() | {
        "shift": [{"shift": "fog", "kind": "fog", "severity": 2, "n": 9, "metrics": {}, "intervals": {}}],
        "ood": [{"set": "svhn", "group": None, "score": "energy", "n": 9, "metrics": {}, "intervals": {}}],
        "labels": [{"name": "a label", "calibrated": "no_sign", "predicted": 3.5, "observed": 4}],
    }
    page = run_page(ResultRecord.from_dict(least, "here"), ([], "none are stored"))
    for word in ("Shifted test splits", "fog", "OOD sets", "svhn", "a label"):
        assert word in page
