"""`calibench winrates`: the table, JSON, the choice of lines, and what is refused."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from imported_modules import imported_modules

TASK = ("--task", "dataset,model", "--metric", "brier")


@pytest.fixture
def results(tmp_path):
    """`results.csv`: three methods on 20 data sets, two models each; `best` wins always. `results.csv.gz` holds the same."""
    rng = np.random.default_rng(0)
    lines = ["kind,method,dataset,model,brier,note"]
    for dataset in range(20):
        for model in ("m", "n"):
            figures = {"best": 0.1, **dict(zip(("x", "y"), rng.uniform(0.2, 0.3, 2), strict=True))}
            kind = "even" if dataset % 2 == 0 else "odd"
            lines += [f"{kind},{name},d{dataset},{model},{value:.4f},word" for name, value in figures.items()]
    lines.append("even,extra,d0,m,0.5,word")
    text = "\n".join(lines) + "\n"
    (tmp_path / "results.csv").write_text(text)
    with gzip.open(tmp_path / "results.csv.gz", "wt") as file:
        file.write(text)


@pytest.mark.usefixtures("results")
def test_json(cli):
    document = cli("winrates", "results.csv", *TASK, "--without", "method=extra", "--json").document
    assert document["schema"] == "calibench.winrates/1"
    best, *others = document["rows"]
    assert (best["method"], best["win_rate"], best["rank"]) == ("best", 1.0, [1, 1])
    assert {tuple(row["rank"]) for row in others} == {(2, 3)}
    assert set(document["separated"]["best"]) == {"x", "y"}
    assert document["tasks"] == {"": 40}
    assert document["groups"] == {"": 20}
    zipped = cli("winrates", "results.csv.gz", *TASK, "--without", "method=extra", "--json").document
    assert zipped == document


@pytest.mark.usefixtures("results")
def test_table(cli):
    ran = cli("winrates", "results.csv", *TASK, "--mean-over", "kind", "--where", "method=best,x,y")
    assert ran.code == 0
    first = next(line for line in ran.out.splitlines() if "best" in line)
    assert first.split() == ["1", "best", "100.00", "[100.00,", "100.00]", "100.00", "100.00"]
    assert "even %" in ran.out
    assert "blank" not in ran.out


@pytest.mark.usefixtures("results")
def test_blank_cells_are_counted(cli):
    ran = cli("winrates", "results.csv", *TASK)
    extra = next(line for line in ran.out.splitlines() if "extra" in line)
    assert extra.split()[-1] == "39"
    assert "39 blank cells: the method scores 0 on that task" in " ".join(ran.out.split())


@pytest.mark.usefixtures("results")
def test_it_imports_no_torch(tmp_path):
    modules = imported_modules(("winrates", "results.csv", *TASK), tmp_path)
    assert not {name.partition(".")[0] for name in modules} & {"torch", "scipy", "sklearn", "pandas"}


@pytest.mark.usefixtures("results")
def test_mistakes(refused, tmp_path):
    def no(*args, says, hint=""):
        refused("winrates", *args, says=says, hint=hint)

    no("result.csv", *TASK, says="there is no file 'result.csv'")
    no("results.csv", "--task", "datasets", "--metric", "brier", says="'datasets'", hint="did you mean 'dataset'?")
    no("results.csv", "--task", "dataset", "--metric", "brire", says="'brire'", hint="did you mean 'brier'?")
    no("results.csv", *TASK, "--method", "metod", says="'metod'", hint="did you mean 'method'?")
    no("results.csv", *TASK, "--group", "data", says="'data'")
    no("results.csv", "--metric", "brier", says="Missing option '--task'")
    no("results.csv", "--task", ",", "--metric", "brier", says="--task names no column")
    no("results.csv", "--task", "dataset,model", "--metric", "note", says="line 2: note is 'word', not a number")
    no(
        "results.csv",
        "--task",
        "dataset",
        "--metric",
        "brier",
        says="lines 2 and 5 both hold 'best' on d0",
        hint="--task",
    )
    no("results.csv", *TASK, "--where", "method", says="'method' is not COLUMN=PATTERN")
    no("results.csv", *TASK, "--where", "method=bets", says="no line has method=bets", hint="did you mean 'best'?")
    no("results.csv", *TASK, "--where", "method=x", says="'x' is the only method")
    no("results.csv", *TASK, "--without", "method=*", says="no line is left")
    no("results.csv", *TASK, "--mean-over", "kind", says="'extra' has no figure in odd", hint="--without")
    no("results.csv", *TASK, "--level", "95", says="the level 95.0 is not between 0 and 1")
    no("results.csv", *TASK, "--better", "less", says="less")
    (tmp_path / "bad.csv.gz").write_text("not gzip")
    no("bad.csv.gz", *TASK, says="cannot read bad.csv.gz")
    (tmp_path / "ragged.csv").write_text("a,b\n1\n")
    no("ragged.csv", *TASK, says="line 2 has 1 values, the header 2")
    (tmp_path / "twice.csv").write_text("a,a\n1,2\n")
    no("twice.csv", *TASK, says="two columns are called 'a'")
    (tmp_path / "empty.csv").write_text("")
    no("empty.csv", *TASK, says="there are no rows")
