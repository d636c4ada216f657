"""Periods of time and the test of drift: the calendar, ranges, what is no drift, when a change came, and what a fit gains."""

from __future__ import annotations

import json

import numpy as np
import pytest
from calibrated import draw
from click.testing import CliRunner

import calibench
from calibench.cli import cli
from calibench.errors import InputError
from calibench.evaluation.drift_test import drift_test
from calibench.evaluation.periods import MOST, periods_of
from calibench.metrics.judged import Judged
from calibench.outputs.stored_outputs import outputs_of


def names_of(values, periods=None):
    found = periods_of("t", np.asarray(values), periods)
    return [found.names[number] for number in found.period.tolist()]


def test_dates_have_the_longest_unit_with_four_periods():
    years = [f"{year}-06-01" for year in range(2018, 2024)]
    assert names_of(years) == [str(year) for year in range(2018, 2024)]
    months = [f"2024-{month:02}-15" for month in range(1, 13)]
    assert set(names_of(months)) == {"2024-Q1", "2024-Q2", "2024-Q3", "2024-Q4"}
    assert names_of(months, "month")[2] == "2024-03"
    days = ["2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04"]
    assert names_of(days) == days


def test_weeks_are_those_of_iso_8601_at_the_turn_of_a_year():
    assert names_of(["2024-12-29", "2024-12-30", "2025-01-05", "2025-01-06"], "week") == [
        "2024-W52", "2025-W01", "2025-W01", "2025-W02",
    ]  # fmt: skip


def test_times_with_zones_are_utc_and_dates_of_numpy_are_the_same():
    assert (
        names_of(["2024-03-01T00:30:00+02:00"] * 2 + ["2024-03-01"] * 2, "day")
        == ["2024-02-29"] * 2 + ["2024-03-01"] * 2
    )
    stored = np.array(["2024-01-31", "2024-02-01"], dtype="datetime64[ns]")
    assert names_of(stored, "month") == ["2024-01", "2024-02"]


def test_numbers_are_ranges_of_as_many_samples_and_equal_numbers_stay_together():
    values = np.random.default_rng(0).normal(size=1000)
    sizes = np.bincount(periods_of("t", values).period)
    assert len(sizes) == 8
    assert sizes.min() >= 120
    assert names_of([3, 1, 3, 2]) == ["3", "1", "3", "2"]
    tied = np.repeat([1.0, 2.0, 3.0], [10, 980, 10])
    found = periods_of("t", tied, "4")
    assert all(len(set(found.period[tied == value])) == 1 for value in (1.0, 2.0, 3.0))


@pytest.mark.parametrize(
    ("values", "periods", "says"),
    [
        (["2024-01-01", "soon"], None, "row 1: 'soon'"),
        ([1.0, np.nan], None, "row 1: 'nan'"),
        ([1.0, 2.0], "month", "holds numbers"),
        (["2024-01-01", "2025-01-01"], "decade", "neither a unit of time nor a number"),
        (["2024-01-01", "2025-01-01"], "1", "neither a unit of time nor a number"),
        (np.arange("2020-01-01", "2022-01-01", dtype="datetime64[D]"), "day", f"at most {MOST}"),
        (np.array([True, False]), None, "are no times"),
    ],
)
def test_refusals(values, periods, says):
    with pytest.raises(InputError, match=says):
        periods_of("t", np.asarray(values), periods)


def drift_of(p, labels, time, seed=0):
    return drift_test(Judged(outputs_of(p, True), labels), periods_of("t", time), seed)


def test_the_row_that_is_blamed_is_the_one_without_a_time():
    for values, row in (
        (["0.5", "0.75", "", "1"], 2),
        (["2024-03-01", "2024-03-02", "2024-02-30"], 2),
        (["2024-03-01", "17", "2024-03-02"], 1),
        (["1", "2", "nan"], 2),
        (["0001-01-01T00:00:00+02:00", "2024-03-01"], 0),
        (["2024-03-01", "9999-12-31T23:00:00-05:00"], 1),
        (np.array(["2024-01-31", "20240-01-31"], dtype="datetime64[D]"), 1),
    ):
        with pytest.raises(InputError, match=f"row {row}: "):
            periods_of("t", np.asarray(values))


def test_large_numbers_keep_their_digits():
    seconds = 1709251200 + np.arange(800)
    found = periods_of("t", seconds, "4")
    assert found.names[0] == "1709251200 to 1709251399"
    assert periods_of("t", np.array([20240301, 20240302] * 5)).names == ["20240301", "20240302"]
    assert found.name_of(0.1234567) == "0.123457"


def test_months_are_dates():
    assert names_of(["2024-01", "2024-02", "2024-03", "2024-04"]) == ["2024-01", "2024-02", "2024-03", "2024-04"]


def test_a_change_is_found_named_and_dated():
    rng = np.random.default_rng(1)
    early, late = draw(rng, 1200, 3), draw(rng, 800, 3, sharpen=2.5)
    p, labels = (np.concatenate(pair) for pair in zip(early, late, strict=True))
    drift = drift_of(p, labels, np.arange(2000.0))
    assert drift["drifts"]
    assert drift["name"] == "top label"
    assert 1100 < float(drift["since"]) < 1300
    assert abs(drift["gap_before"]) < 0.03
    assert drift["gap_after"] > 0.05
    residual = p.max(axis=1) - (p.argmax(axis=1) == labels)
    at = int(float(drift["since"])) + 1
    assert drift["gap_before"] == pytest.approx(residual[:at].mean(), abs=0.004)  # blocks of 5 samples end nearby


def test_a_class_that_changes_is_found_where_the_top_label_stays():
    rng = np.random.default_rng(2)
    p1 = np.tile([0.6, 0.4], 1500)
    shift = np.where(np.arange(3000) < 1500, 0.0, -0.12)
    labels = (rng.random(3000) < p1 + shift).astype(int)
    drift = drift_of(np.stack([1 - p1, p1], axis=1), labels, np.arange(3000.0))
    assert drift["drifts"]
    assert drift["name"] in ("0", "1")


def test_a_constant_error_and_harder_inputs_are_no_drift():
    rng = np.random.default_rng(3)
    p, labels = draw(rng, 3000, 3, sharpen=2.0)
    assert not drift_of(p, labels, np.arange(3000.0))["drifts"]
    easy, hard = draw(rng, 1500, 3), draw(rng, 1500, 3)
    order = np.argsort(-np.concatenate([easy[0], hard[0]]).max(axis=1))
    p, labels = np.concatenate([easy[0], hard[0]])[order], np.concatenate([easy[1], hard[1]])[order]
    assert not drift_of(p, labels, np.arange(3000.0))["drifts"]


@pytest.mark.slow
@pytest.mark.parametrize("n", [60, 1000])
def test_a_model_without_drift_is_accused_5_times_in_100_at_most(n):
    accused = 0
    for run in range(200):
        p, labels = draw(np.random.default_rng((run, n)), n, 3, sharpen=1.5)
        accused += bool(drift_of(p, labels, np.arange(float(n)), run)["drifts"])
    assert accused <= 19  # 5 % of 200 are more than 19 with a probability of 0.3 %


def test_one_time_is_not_tested():
    p, labels = draw(np.random.default_rng(4), 50, 3)
    assert drift_of(p, labels, np.ones(50))["drifts"] is None


def test_the_command_line_gives_the_periods_of_python_and_what_a_fit_gains(tmp_path):
    rng = np.random.default_rng(5)
    early, late, val = draw(rng, 400, 3, sharpen=2.0), draw(rng, 400, 3), draw(rng, 600, 3, sharpen=2.0)
    p, labels = (np.concatenate(pair) for pair in zip(early, late, strict=True))
    when = np.array(["2024-01-10"] * 400 + ["2024-02-10"] * 400)
    np.savez(tmp_path / "t.npz", probs=p, labels=labels, when=when)
    np.savez(tmp_path / "v.npz", probs=val[0], labels=val[1])
    options = ("--by-time", "when", "--periods", "month", "--metrics", "accuracy,brier")
    fit = ("--fit", "temperature", "--fit-on", str(tmp_path / "v.npz"))
    result = CliRunner().invoke(
        cli, ["evaluate", str(tmp_path / "t.npz"), *options, *fit, "--json"], catch_exceptions=False
    )
    document = json.loads(result.stdout)
    assert list(document["periods"]["periods"]) == ["2024-01", "2024-02"]
    gains = {name: period["gain"]["helps"] for name, period in document["after"]["periods"]["periods"].items()}
    assert gains == {"2024-01": True, "2024-02": False}
    record = calibench.evaluate(probs=p, labels=labels, time=when, periods="month", metrics="accuracy,brier")
    expected = json.loads(json.dumps(record.to_dict()["periods"]))
    assert document["periods"] == expected | {"column": "when"}
    text = CliRunner().invoke(cli, ["evaluate", str(tmp_path / "t.npz"), *options, *fit], catch_exceptions=False).stdout
    assert "the fit lowers NLL in 1 of 2 periods: 2024-01" in text
    assert "the fit raises NLL in 1 of 2 periods: 2024-02" in text
    assert "drift: calibration changes with time" in text


def test_options_that_do_nothing_are_refused(tmp_path):
    p, labels = draw(np.random.default_rng(6), 60, 3)
    np.savez(tmp_path / "t.npz", probs=p, labels=labels, t=np.arange(60))
    for options, says in {
        ("--periods", "month"): "would do nothing without --by-time",
        ("--ood-score", "energy"): "would do nothing without --ood",
        ("--by-time", "t", "--stream"): "--by-time does not go with --stream",
    }.items():
        result = CliRunner().invoke(cli, ["evaluate", str(tmp_path / "t.npz"), *options])
        assert isinstance(result.exception, InputError)
        assert says in str(result.exception)
    with pytest.raises(InputError, match="no time is given"):
        calibench.evaluate(probs=p, labels=labels, periods=3)
