"""Boards: ranks and bands against a bootstrap written here, and the four renderings against one another."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from calibench import InputError
from calibench.leaderboard.boards import Board, Row, boards
from calibench.records.record import ResultRecord
from calibench.records.store import write
from calibench.report.tables import board_rows, columns_of, render, shown

UNITS: dict[str, dict[str, Any]] = {
    "accuracy": {"unit": "fraction", "better": "higher", "rankable": True},
    "nll": {"unit": "nats", "better": "lower", "rankable": True},
    "ece15": {"unit": "fraction", "better": "lower", "rankable": True},
    "mce15": {"unit": "fraction", "better": "lower", "rankable": False},
    "selective_risk": {"unit": "fraction", "better": "lower", "rankable": True},
}
B, N = 1000, 300


def losses(shift: float, seed: int, own: float = 0.3) -> NDArray[np.float64]:
    """A loss a sample, mostly shared by all methods (hard samples are hard for all), so that pairing matters."""
    shared = np.random.default_rng(0).normal(0.5, 1.0, size=N)
    return shared + shift + np.random.default_rng(seed).normal(0, own, size=N)


def resamples(seed: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(N, size=(B, N))


def store(
    results: Path,
    recipe: str,
    seed: int,
    metrics: Mapping[str, float | None],
    replicates: Mapping[str, Any],
    **more: Any,
) -> ResultRecord:
    """A record with its replicates under `results`."""
    for folder in ("records", "predictions"):
        (results / folder).mkdir(parents=True, exist_ok=True)
    given_fields: dict[str, Any] = {
        "run_id": f"toy-mlp-{recipe.replace('+', '-')}-s{seed}-{more.get('created', '')}".replace(":", ""),
        "recipe": recipe,
        "dataset": "toy",
        "model": "mlp",
        "seed": seed,
        "noise": None,
        "backend": "reference",
        "n": {"test": N},
        "metrics": dict(metrics),
        "intervals": {},
        "noise_floor": {"ece15": {"mean": 0.01 * (seed + 1), "p95": 0.02}},
        "timings_s": {"total": 1.0},
        "versions": {"calibench": "0.1.0", "torch": "2.13"},
        "units": {name: UNITS[name] for name in metrics},
        "bootstrap": {"seed": 0, "resamples": B},
        "data": {"clean_fingerprint": "f"},
        "created": "2025-01-01T00:00:00+00:00",
    }
    record = ResultRecord(**(given_fields | more))
    return write(results, record, {f"bootstrap.{name}": np.asarray(values) for name, values in replicates.items()})


def method(
    results: Path, recipe: str, shifts: list[float], metric: str = "nll", own: float = 0.3
) -> list[ResultRecord]:
    """One record a seed; seed s of a method has the losses of `shifts[s]`."""
    rows = resamples()
    records = []
    for seed, shift in enumerate(shifts):
        values = losses(shift, 1000 * sum(map(ord, recipe)) + seed, own)
        records.append(
            store(results, recipe, seed, {metric: float(values.mean())}, {metric: values[rows].mean(axis=1)})
        )
    return records


def only(records: list[ResultRecord], results: Path, metric: str = "nll") -> Board:
    (board,) = boards(records, results, metric)
    return board


def ranks(board: Board) -> dict[str, int | None]:
    return {row.recipe: row.rank for row in board.rows}


# --- ranks and bands ------------------------------------------------------------------------------------------------


def brute_force(shifts: Mapping[str, list[float]], own: float) -> dict[str, int]:
    """Bands from the samples themselves: resample, average over seeds, subtract the band's first row, look for 0."""
    table = {
        recipe: np.array([losses(shift, 1000 * sum(map(ord, recipe)) + seed, own) for seed, shift in enumerate(given)])
        for recipe, given in shifts.items()
    }
    order = sorted(table, key=lambda recipe: table[recipe].mean())
    found: dict[str, int] = {}
    first = order[0]
    for place, recipe in enumerate(order, 1):
        gaps = sorted(
            float(np.mean([table[recipe][:, row].mean() - table[first][:, row].mean()])) for row in resamples()
        )
        low = gaps[24] + 0.975 * (gaps[25] - gaps[24])  # position 0.025 * 999 = 24.975
        high = gaps[974] + 0.025 * (gaps[975] - gaps[974])
        if recipe == first or not low <= 0 <= high:
            first = recipe
            found[recipe] = place
        else:
            found[recipe] = found[first]
    return found


@pytest.mark.parametrize(
    "shifts",
    [
        {"a": [0.0], "b": [0.02], "c": [0.3], "d": [0.31]},
        {"a": [0.0, 0.05, 0.1], "b": [0.04, 0.05, 0.08], "c": [0.5, 0.5, 0.6]},
        {"a": [0.0], "b": [0.03], "c": [0.06], "d": [0.09], "e": [0.12]},  # neighbours tie, the ends do not
        {"a": [1.0]},
    ],
    ids=["two bands", "three seeds", "a chain", "alone"],
)
def test_bands_against_a_brute_force_paired_bootstrap(shifts: dict[str, list[float]], tmp_path: Path) -> None:
    records = [record for recipe, given in shifts.items() for record in method(tmp_path, recipe, given)]
    board = only(records[::-1], tmp_path)
    expected = brute_force(shifts, 0.3)
    assert ranks(board) == expected
    assert list(ranks(board)) == sorted(
        expected, key=lambda r: next(x.cells["nll"].mean for x in board.rows if x.recipe == r)
    )


def test_pairing_separates_what_two_intervals_would_not(tmp_path: Path) -> None:
    board = only(method(tmp_path, "a", [0.0], own=0.01) + method(tmp_path, "b", [0.02], own=0.01), tmp_path)
    (a, b) = (row.cells["nll"].interval for row in board.rows)
    assert a is not None
    assert b is not None
    assert a[1] > b[0]  # the intervals overlap almost wholly
    assert ranks(board) == {"a": 1, "b": 2}


def test_an_interval_is_over_test_samples_and_the_sd_over_seeds(tmp_path: Path) -> None:
    shifts = [0.0, 0.4, 0.1]
    records = method(tmp_path, "a", shifts)
    (row,) = only(records, tmp_path).rows
    means = [record.metrics["nll"] for record in records]
    cell = row.cells["nll"]
    assert cell.mean == pytest.approx(np.mean(means), rel=1e-15)
    assert cell.sd == pytest.approx(math.sqrt(sum((m - np.mean(means)) ** 2 for m in means) / 2), rel=1e-12)
    samples = np.mean([losses(s, 1000 * ord("a") + k) for k, s in enumerate(shifts)], axis=0)
    expected = np.quantile(samples[resamples()].mean(axis=1), [0.025, 0.975])
    np.testing.assert_allclose(cell.interval, expected, rtol=1e-12)
    assert row.seeds == (0, 1, 2)
    (single,) = only(records[:1], tmp_path).rows
    assert single.cells["nll"].sd is None


def test_higher_is_better_turns_the_board(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    records = [
        store(tmp_path, name, 0, {"accuracy": mean}, {"accuracy": mean + rng.normal(0, 0.001, B)})
        for name, mean in (("low", 0.5), ("high", 0.9), ("middle", 0.7))
    ]
    assert ranks(only(records, tmp_path, "accuracy")) == {"high": 1, "middle": 2, "low": 3}


@settings(max_examples=30, deadline=None)
@given(means=st.lists(st.floats(0, 1), min_size=1, max_size=6), data=st.data())
def test_without_bands_ranks_are_places(means: list[float], data: st.DataObject) -> None:
    metric = data.draw(st.sampled_from(["nll", "accuracy"]))
    records = [
        ResultRecord(
            f"r{k}", f"m{k}", "toy", "mlp", 0, None, "reference", {"test": 3}, {metric: mean}, {}, {}, {}, {}, UNITS
        )
        for k, mean in enumerate(means)
    ]
    board = only(records, Path("nowhere"), metric)
    found = [row.cells[metric].mean for row in board.rows]
    assert found == sorted(means, reverse=metric == "accuracy")
    assert [row.rank for row in board.rows] == list(range(1, len(means) + 1))
    assert len(board.notes) == 1
    assert all(f"m{k}" in board.notes[0] for k in range(len(means)))


# --- what may not be ranked, and what is missing --------------------------------------------------------------------


def test_mce_and_unknown_metrics_are_refused(tmp_path: Path) -> None:
    records = [store(tmp_path, "a", 0, {"mce15": 0.1, "ece15": 0.1}, {})]
    with pytest.raises(InputError, match="mce15 is shown but never ranked by"):
        boards(records, tmp_path, "mce15")
    with pytest.raises(InputError, match="no record has the metric 'ecs15'") as caught:
        boards(records, tmp_path, "ecs15")
    assert "ece15" in caught.value.hint
    assert boards([], tmp_path) == []


def test_missing_predictions_take_the_band_and_leave_a_note(tmp_path: Path) -> None:
    records = [r for recipe in "abc" for r in method(tmp_path, recipe, [0.0])]
    assert set(ranks(only(records, tmp_path)).values()) == {1}
    assert records[1].predictions is not None
    (tmp_path / records[1].predictions["file"]).unlink()
    board = only(records, tmp_path)
    rows = {row.recipe: row for row in board.rows}
    assert rows["b"].cells["nll"].interval is None
    assert rows["a"].cells["nll"].interval is not None
    assert sorted(ranks(board).values(), key=str) != [1, 1, 1]  # b starts a band of its own
    (note,) = board.notes
    assert note.startswith("no interval over seeds and no band for b: cannot read")


def test_changed_predictions_are_not_trusted(tmp_path: Path) -> None:
    records = method(tmp_path, "a", [0.0])
    assert records[0].predictions is not None
    file = tmp_path / records[0].predictions["file"]
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    board = only(records, tmp_path)
    assert "has changed since" in board.notes[0]
    assert board.rows[0].cells["nll"].interval is None


@pytest.mark.parametrize("other", [{"seed": 1, "resamples": B}, {"seed": 0, "resamples": 2 * B}, {}])
def test_unpaired_bootstraps_make_no_bands(other: dict[str, int], tmp_path: Path) -> None:
    records = method(tmp_path, "a", [0.0]) + method(tmp_path, "b", [0.0001])
    records.append(store(tmp_path, "c", 0, {"nll": 9.0}, {"nll": np.ones(B)}, bootstrap=other))
    board = only(records, tmp_path)
    assert sorted(ranks(board).values(), key=str) == [1, 2, 3]
    assert all(row.cells["nll"].interval is None for row in board.rows)
    assert board.notes == ("no bands: the records were bootstrapped with different seeds or numbers of resamples",)


def test_undefined_figures_come_last_without_a_rank(tmp_path: Path) -> None:
    risk = "selective_risk"
    records = [
        store(tmp_path, "a-undefined", 0, {risk: None}, {risk: np.full(B, np.nan)}),
        store(tmp_path, "half", 0, {risk: 0.0}, {risk: np.zeros(B)}),
        store(tmp_path, "half", 1, {risk: None}, {risk: np.full(B, np.nan)}),
        store(tmp_path, "without", 0, {"nll": 0.1}, {"nll": np.zeros(B)}),
        store(tmp_path, "z-worst", 0, {risk: 0.9}, {risk: np.linspace(0.8, 1, B)}),
        store(tmp_path, "best", 0, {risk: 0.1}, {risk: np.where(np.arange(B) < 9, np.nan, 0.1)}),
    ]
    board = only(records, tmp_path, risk)
    assert list(ranks(board).items()) == [
        ("best", 1),
        ("z-worst", 2),
        ("a-undefined", None),
        ("half", None),
        ("without", None),
    ]
    assert board.rows[0].cells[risk].interval == (0.1, 0.1)
    head, body = board_rows(board, [risk])
    assert body[2][head.index("rank")] == "-"
    assert body[2][head.index(f"{risk} %")] == "-"
    json.loads(render([board], "json"))


def test_the_newest_of_duplicates_counts(tmp_path: Path) -> None:
    old, new, middle = (
        store(tmp_path, "a", 0, {"nll": value}, {"nll": np.full(B, value)}, created=f"2025-01-0{day}T00:00:00+00:00")
        for value, day in ((1.0, 1), (3.0, 3), (2.0, 2))
    )
    for records in ([old, new, middle], [new, old, middle]):
        (row,) = only(records, tmp_path).rows
        assert row.cells["nll"].mean == 3.0
        assert row.seeds == (0,)


def test_different_seeds_are_noted(tmp_path: Path) -> None:
    records = method(tmp_path, "a", [0.0, 0.1]) + method(tmp_path, "b", [0.0])
    assert "the rows do not all have the same seeds" in only(records, tmp_path).notes


def test_only_runs_of_one_protocol_share_a_board(tmp_path: Path) -> None:
    variants: list[dict[str, Any]] = [
        {},
        {"dataset": "other", "data": {"clean_fingerprint": "h"}},
        {"model": "cnn"},
        {"noise": "symmetric:rate=0.3"},
        {"data": {"clean_fingerprint": "g"}},
    ]
    records = [
        store(tmp_path, "a", 0, {"nll": 1.0}, {"nll": np.ones(B)}, created=str(k), **more)
        for k, more in enumerate(variants)
    ]
    found = boards(records, tmp_path, "nll")
    assert len(found) == 5
    assert {(b.dataset, b.model, b.noise) for b in found} == {
        ("toy", "mlp", None),
        ("other", "mlp", None),
        ("toy", "cnn", None),
        ("toy", "mlp", "symmetric:rate=0.3"),
    }


# --- rendering ------------------------------------------------------------------------------------------------------


@pytest.fixture
def board(tmp_path: Path) -> Board:
    rng = np.random.default_rng(0)
    records = []
    for recipe, ece in (("ce", 0.12), ("ce+temperature", 0.04), ("vtst", 0.039)):
        for seed in (0, 1, 2):
            metrics = {"accuracy": 0.8 + 0.001 * seed, "nll": 5 * ece, "ece15": ece + 0.001 * seed}
            spread = {name: value + rng.normal(0, 0.002, B) for name, value in metrics.items()}
            records.append(store(tmp_path, recipe, seed, metrics, spread))
    return only(records, tmp_path, "ece15")


def test_json_csv_markdown_and_table_agree(board: Board) -> None:
    document = json.loads(render([board], "json"))
    assert document["schema"] == "calibench.leaderboard/1"
    (one,) = document["boards"]
    rows = list(csv.DictReader(io.StringIO(render([board], "csv"))))
    assert len(rows) == 9
    markdown = [line.strip("| ").split(" | ") for line in render([board], "markdown").splitlines() if line[:1] == "|"]
    table = render([board], "table")
    head = markdown[0]
    assert head == ["rank", "method", "seeds", "accuracy %", "nll nats", "ece15 %", "sd", "floor"]
    assert [row["recipe"] for row in one["rows"]] == [cells[1] for cells in markdown[2:]]
    for row, cells in zip(one["rows"], markdown[2:], strict=True):
        own: Row = next(r for r in board.rows if r.recipe == row["recipe"])
        assert row["rank"] == own.rank == int(cells[0])
        assert row["seeds"] == [0, 1, 2]
        for name, scale, digits in (("accuracy", 100, 2), ("nll", 1, 4), ("ece15", 100, 2)):
            cell = row["cells"][name]
            (line,) = [r for r in rows if r["method"] == row["recipe"] and r["metric"] == name]
            stored = (float(line[key]) for key in ("mean", "sd", "low", "high"))
            assert (*stored,) == (cell["mean"], cell["sd"], *cell["interval"])
            assert (line["rank"], line["ranked_by"], line["seeds"]) == (str(own.rank), "ece15", "0;1;2")
            low, high = (scale * v for v in cell["interval"])
            unit = " %" if scale == 100 else " nats"
            text = f"{scale * cell['mean']:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
            assert cells[head.index(name + unit)] == text
            assert text in table
        assert cells[-2:] == [f"{100 * row['cells']['ece15']['sd']:.2f}", "2.00"]
        assert row["floors"] == {"ece15": pytest.approx(0.02)}
    assert "ranked by ece15" in render([board], "markdown")


def test_columns_can_be_chosen_and_misspelt(board: Board) -> None:
    assert columns_of(board) == ["accuracy", "nll", "ece15"]
    assert columns_of(board, ["nll"]) == ["nll", "ece15"]  # the one ranked by is always there
    with pytest.raises(InputError, match="no record on this board has the metric 'acuracy'") as caught:
        columns_of(board, ["acuracy"])
    assert "accuracy" in caught.value.hint


def test_a_pipe_in_a_name_stays_in_its_cell(tmp_path: Path) -> None:
    board = only([store(tmp_path, "a:key=x|y", 0, {"nll": 1.0}, {}, run_id="r")], tmp_path)
    lines = [line for line in render([board], "markdown").splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_a_figure_is_shown_with_its_unit(tmp_path: Path) -> None:
    record = store(
        tmp_path, "a", 0, {"ece15": 0.01414, "nll": 0.5, "selective_risk": None}, {}, intervals={"ece15": [0.01, 0.02]}
    )
    assert shown(record, "ece15") == "ece15 1.41 % [1.00, 2.00]"
    assert shown(record, "nll") == "nll 0.5000"
    assert shown(record, "selective_risk") == "selective_risk undefined"


def test_a_board_is_made_without_torch(tmp_path: Path) -> None:
    method(tmp_path, "a", [0.0, 0.1])
    code = (
        "import sys, pathlib\n"
        "from calibench.leaderboard.boards import boards\n"
        "from calibench.report.tables import render\n"
        "from calibench.records.store import read_records\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "found = boards(read_records(path), path, 'nll')\n"
        "for kind in ('table', 'markdown', 'csv', 'json'): assert 'nll' in render(found, kind)\n"
        "assert found[0].rows[0].cells['nll'].interval\n"
        "print('torch' in sys.modules, 'sklearn' in sys.modules, 'scipy' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False", "False", "False"]


def test_two_paths_to_equal_data_are_one_board(tmp_path: Path) -> None:
    records = [
        store(tmp_path, recipe, 0, {"nll": 1.0}, {"nll": np.ones(B)}, created="1", dataset=f"npz:path={recipe}.npz")
        for recipe in ("a", "b")
    ]
    assert [len(board.rows) for board in boards(records, tmp_path, "nll")] == [2]


def test_one_run_without_predictions_shows_its_own_interval() -> None:
    record = ResultRecord(
        "r", "m", "toy", "mlp", 0, None, "reference", {"test": 3}, {"nll": 1.0}, {"nll": [0.5, 2.0]}, {}, {}, {}, UNITS
    )
    assert only([record], Path("nowhere"), "nll").rows[0].cells["nll"].interval == (0.5, 2.0)
