"""Records, evaluations, comparisons and folders of results as tables: HTML for notebooks, and pandas."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import calibench
from calibench.leaderboard.record_rows import row_of
from calibench.records.figures_table import COLUMNS, frame, html_table
from calibench.records.record import ResultRecord
from calibench.records.store import read_records

BOARD = Path(__file__).parents[2] / "leaderboards" / "quick-v1"


class Cells(HTMLParser):
    """The cells of a table, row by row; every tag must be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag != "br":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def records() -> list[ResultRecord]:
    return read_records(BOARD)


def test_a_record_is_a_table(records: list[ResultRecord]) -> None:
    record = records[0]
    text = record._repr_html_()
    rows = Cells(text).rows
    assert rows[0] == list(COLUMNS)
    assert [row[0] for row in rows[1:]] == list(record.metrics)
    accuracy = rows[1 + list(record.metrics).index("accuracy")]
    low, high = record.intervals["accuracy"]
    assert accuracy == [
        "accuracy",
        f"{record.metrics['accuracy']:.4f}",
        f"{low:.4f}",
        f"{high:.4f}",
        "",
        "fraction",
        "higher",
    ]
    for word in (record.run_id, record.recipe, "test samples"):
        assert word in text


def test_a_record_is_a_frame(records: list[ResultRecord]) -> None:
    record = records[0]
    table = record.to_pandas().set_index("metric")
    assert table["value"].dropna().to_dict() == {
        name: value for name, value in record.metrics.items() if value is not None
    }
    assert list(table.loc["nll", ["low", "high"]]) == record.intervals["nll"]
    assert table.loc["ece15", "noise_floor"] == record.noise_floor["ece15"]["mean"]


def test_an_evaluation_is_a_table_with_its_fit(samples: Any) -> None:
    logits, labels = samples(300)
    record = calibench.evaluate(logits, labels, fit="temperature", cross_fit=5, resamples=1000)
    table = record.to_pandas().set_index("metric")
    assert table.loc["nll", "value"] == record.metrics["nll"]
    assert table.loc["nll", "after"] == record.after["metrics"]["nll"] < table.loc["nll", "value"]
    assert "after" in Cells(record._repr_html_()).rows[0]
    plain = calibench.evaluate(logits, labels, resamples=0)
    assert "after" not in Cells(plain._repr_html_()).rows[0]


def test_a_comparison_is_a_table() -> None:
    compared = calibench.compare("ce", "ce+temperature", results=BOARD, metrics="brier,nll")
    rows = Cells(compared._repr_html_()).rows
    assert len(rows) == 1 + 2 * len(compared.rows)
    table = compared.to_pandas()
    first = compared.rows[0].figures["brier"]
    assert table.loc[0, ["metric", "change", "word"]].to_list() == ["brier", first.change, first.word]
    assert table["change"].to_numpy() == pytest.approx((table["b"] - table["a"]).to_numpy(), abs=1e-12)


def test_results_of_a_folder(records: list[ResultRecord]) -> None:
    results = calibench.results(BOARD)
    assert list(results) == [row_of(record) for record in records]
    table = results.to_pandas()
    assert table.shape[0] == len(records) == 559
    assert table.loc[5, "nll_low"] == records[5].intervals["nll"][0]
    rows = Cells(results._repr_html_()).rows
    assert len(rows) == 101
    assert "459 more" in results._repr_html_()
    some = calibench.results(str(BOARD), where="dataset=digits and seed=0")
    assert {(row["dataset"], row["seed"]) for row in some} == {("digits", 0)}
    assert 0 < len(some[:3]) == 3 < len(some) < len(results)
    assert repr(some[:3]) == "Results of 3 runs; .to_pandas() makes a DataFrame"


def test_mistakes_about_results_are_named(tmp_path: Path) -> None:
    with pytest.raises(calibench.InputError, match="there are no records under"):
        calibench.results(tmp_path)
    with pytest.raises(calibench.InputError):
        calibench.results(BOARD, where="datset=digits")


def test_names_are_escaped() -> None:
    nasty = "<script>alert(1)</script>\x1b[31m\u202e&\"'"
    text = html_table(nasty, [nasty], [{nasty: nasty}])
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert Cells(text).rows == [[nasty.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")]] * 2
    assert Cells(text).tags == {"div", "strong", "br", "table", "thead", "tbody", "tr", "th", "td"}


def test_without_pandas_the_extra_is_named(records: list[ResultRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(calibench.InputError) as raised:
        records[0].to_pandas()
    assert raised.value.hint == 'pip install "calibench[pandas]"'


def test_an_empty_table_is_a_frame_without_rows() -> None:
    assert frame([], COLUMNS).shape == (0, len(COLUMNS))
    assert isinstance(frame([{"a": np.float64(1)}]), pd.DataFrame)
    assert Cells(html_table("a", [], [])).rows == [[]]
