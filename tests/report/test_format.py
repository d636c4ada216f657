"""Figures as text: percent for fractions, four digits else, with units and intervals."""

from __future__ import annotations

from board_records import unstored_record

from calibench.report.format import figure, figure_with_interval, header, interval, metric_of_run


def test_a_fraction_is_percent_with_two_digits_and_others_have_four() -> None:
    assert figure(0.01414, "fraction") == "1.41"
    assert figure(0.5, "nats") == "0.5000"
    assert interval([0.01, 0.0175], "fraction") == "[1.00, 1.75]"
    assert interval(None, "nats") == ""


def test_a_figure_stands_before_its_interval() -> None:
    assert figure_with_interval(0.01414, (0.01, 0.02), "fraction") == "1.41 [1.00, 2.00]"
    assert figure_with_interval(0.5, None, "nats") == "0.5000"
    assert figure_with_interval(None, None, "nats") == "-"


def test_a_header_names_the_unit() -> None:
    assert header("ece15", "fraction") == "ece15 %"
    assert header("nll", "nats") == "nll nats"
    assert header("brier", "squared probability") == "brier"


def test_a_metric_of_a_run_has_its_name_and_unit() -> None:
    metrics = {"ece15": 0.01414, "nll": 0.5, "selective_risk": None}
    record = unstored_record("a", 0, metrics, intervals={"ece15": [0.01, 0.02]})
    assert metric_of_run(record, "ece15") == "ece15 1.41 % [1.00, 2.00]"
    assert metric_of_run(record, "nll") == "nll 0.5000"
    assert metric_of_run(record, "selective_risk") == "selective_risk undefined"
