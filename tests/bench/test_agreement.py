"""Agreement: the distance of answers, and the document and table of a contender whose answer is wrong."""

from __future__ import annotations

import json

import pytest
import torch
from bench_toys import toy

from calibench.bench import agreement, output, suite
from calibench.bench.case import OURS, Contender


def test_distances_of_numbers_counts_and_arrays():
    ours = {"a": 0.5, "p": torch.tensor([1, 2, -1, 4]), "c": torch.tensor([0.25, 0.5])}
    theirs = {"a": 0.75, "p": torch.tensor([1, 2, 3, 4]), "c": torch.tensor([0.25, 0.625], dtype=torch.float64)}
    differences = agreement.compare(theirs, ours, {"a": 0.25, "p": 0.2, "c": 0.1, "absent": 0.0})
    assert [(d.figure, d.difference, d.accepted) for d in differences] == [
        ("a", 0.25, True),
        ("p", 0.25, False),
        ("c", 0.125, False),
    ]


@pytest.mark.parametrize("theirs", [float("nan"), float("inf"), torch.tensor([1.0, 1.0]), torch.tensor([float("nan")])])
def test_an_answer_beyond_comparison_is_not_accepted(theirs):
    ours = 1.0 if isinstance(theirs, float) else torch.tensor([1.0])
    assert not agreement.compare({"a": theirs}, {"a": ours}, {"a": 1e9})[0].accepted


@pytest.fixture
def document(clock):
    """The document of a case with a right, a wrong and a NaN answer."""
    case = toy(
        Contender(OURS, clock.takes("ours", 2.0)),
        Contender("right", clock.takes("right", 6.0, answer=1.0005)),
        Contender("wrong", clock.takes("wrong", 1.0, answer=1.5)),
        Contender("nan", clock.takes("nan", 1.0, answer=float("nan"))),
    )
    return suite.run_cases([case], suite.Options(repeats=3, memory=False), lambda *progress: None)


def test_the_speed_of_a_wrong_answer_is_not_compared(document):
    (entry,) = document["cases"]
    ours, right, wrong, nan = entry["contenders"]
    assert (right["agrees"], right["ours_ratio"]) == (True, 3.0)
    assert (wrong["agrees"], wrong["ours_ratio"], wrong["median_s"]) == (False, None, 1.0)
    assert wrong["differences"] == [{"figure": "figure", "difference": 0.5, "tolerance": 1e-3, "accepted": False}]
    assert ours["figures"] == {"figure": 1.0}
    assert (nan["agrees"], nan["ours_ratio"], nan["figures"]) == (False, None, {"figure": None})
    json.dumps(document, allow_nan=False)


def test_the_table_marks_a_wrong_answer(document, capsys):
    from calibench.cli.output import stdout

    for table in output.tables(document):
        stdout().print(table)
    text = " ".join(capsys.readouterr().out.split())
    wrong = "! wrong differs from ours on 4 x 3 float32: figure by 0.5, accepted is 0.001; its speed is not compared"
    assert wrong in text
    assert "1.5 (differs by 5.0e-01) !" in text
    assert "! nan differs from ours on 4 x 3 float32: figure beyond comparison" in text
    assert "! right" not in text
