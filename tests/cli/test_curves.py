"""`calibench curves`: every form, overlays, names with markup, mistakes."""

from __future__ import annotations

import csv
import dataclasses
import io
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "leaderboard"))
from board_records import unstored_record
from imported_modules import imported_modules

from calibench.atomic import write_json
from calibench.records.record import ResultRecord


def curve(stage: str, nlls: list[float]) -> dict[str, Any]:
    return {
        "stage": stage,
        "epochs": list(range(1, len(nlls) + 1)),
        "train_loss": [2 * x for x in nlls],
        "val_nll": nlls,
    }


def write(folder: Path, record: ResultRecord) -> None:
    (folder / "records").mkdir(parents=True, exist_ok=True)
    write_json(folder / "records" / f"{record.run_id}.json", record.to_dict())


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Run `toy-mlp-ce-s0-`, and `toy-mlp-vtst-s0-`, which shares its stage 1; and one of an earlier version."""
    folder = tmp_path / "results"
    stage_1 = curve("ce", [1.0, 0.5, 0.25, 0.3])
    fitted = [{"stage": "ce", "trained": True, "epoch": 3.0}]
    write(folder, unstored_record("ce", 0, {"nll": 1.0}, curves=[stage_1], fitted=fitted))
    both = [*fitted, {"stage": "vtst", "trained": True, "epoch": 2.0}]
    write(folder, unstored_record("vtst", 0, {"nll": 1.0}, curves=[stage_1, curve("vtst", [0.7, 0.6])], fitted=both))
    write(folder, unstored_record("old", 0, {"nll": 1.0}, fitted=fitted))
    return folder


RUNS = ("toy-mlp-ce", "toy-mlp-vtst")


@pytest.mark.usefixtures("results")
def test_csv_and_json_have_every_number(cli: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(cli("curves", *RUNS, "--format", "csv").out)))
    assert [(r["recipe"], r["stage"], r["epoch"]) for r in rows[:4]] == [("ce", "ce", str(e)) for e in (1, 2, 3, 4)]
    assert [float(r["val_nll"]) for r in rows[:4]] == [1.0, 0.5, 0.25, 0.3]
    assert [r["kept"] for r in rows[:4]] == ["false", "false", "true", "false"]
    assert len(rows) == 10
    document = cli("curves", *RUNS, "--format", "json").document
    assert document["schema"] == "calibench.curves/1"
    assert [c["stage"] for c in document["curves"]] == ["ce", "ce", "vtst"]
    assert document["curves"][2]["train_loss"] == [1.4, 1.2]
    assert {c["stage"] for c in cli("curves", *RUNS, "--stage", "vtst", "--format", "json").document["curves"]} == {
        "vtst"
    }


@pytest.mark.usefixtures("results")
def test_the_terminal_shows_a_plot_a_stage_and_each_training_once(cli: Any) -> None:
    out = cli("curves", *RUNS).out
    assert out.count("ce: NLL of val (nats) by epoch") == 1
    assert "● ce and vtst, seed 0" in out
    assert "● vtst, seed 0" in out
    assert "0.2500" in out
    assert "loss of train by epoch" in cli("curves", "toy-mlp-ce", "--series", "train_loss").out
    assert "\x1b" not in out


@pytest.mark.usefixtures("results")
def test_eighty_columns_are_enough(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import re

    from rich.console import Console

    console = Console(highlight=False, width=80, force_terminal=True, color_system="standard")
    monkeypatch.setattr("calibench.cli.curves.stdout", lambda: console)
    out = cli("curves", *RUNS).out
    assert "\x1b[36m" in out, "runs have colours"
    assert max(len(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in out.splitlines()) <= 80


@pytest.mark.usefixtures("results")
def test_the_picture_has_a_line_a_training(cli: Any, tmp_path: Path) -> None:
    ran = cli("curves", *RUNS, "-o", "c.svg")
    assert (ran.code, ran.out) == (0, "")
    svg = (tmp_path / "c.svg").read_text()
    space = "{http://www.w3.org/2000/svg}"
    root = ElementTree.fromstring(svg)
    lines = [line.attrib["points"].split() for line in root.iter(f"{space}polyline")]
    assert [len(points) for points in lines] == [4, 2]
    assert len(list(root.iter(f"{space}circle"))) == 2
    first, kept = (tuple(map(float, lines[0][k].split(","))) for k in (0, 2))
    assert first[0] < kept[0]
    assert first[1] < kept[1], "a lower NLL stands lower"


def test_names_are_text(results: Path, cli: Any, tmp_path: Path) -> None:
    name = "<script>x</script>[red]\x1b[31m"
    record = unstored_record("ce", 1, {"nll": 1.0}, curves=[curve("ce", [2.0, 1.0])])
    write(results, dataclasses.replace(record, run_id="bad", recipe=name))
    out = cli("curves", "bad").out
    assert "<script>x</script>[red]\\x1b[31m" in out
    assert "\x1b" not in out
    cli("curves", "bad", "-o", "c.svg")
    text = (tmp_path / "c.svg").read_text()
    assert "<script" not in text
    ElementTree.fromstring(text)


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize(
    ("args", "says", "hint"),
    [
        (("toy-mlp-cee",), "there is no run 'toy-mlp-cee'", "did you mean"),
        (("toy-mlp",), "3 runs", "such as"),
        (("toy-mlp-old",), "holds no training curve: it was made by an earlier version", "--force"),
        (("toy-mlp-ce", "--stage", "vtsst"), "no run trained a stage 'vtsst'", "known: ce"),
        (("toy-mlp-ce", "-o", "x.pdf"), "cannot write 'x.pdf' as pdf", ".svg"),
        (("toy-mlp-ce", "-o", "no/x.csv"), "no", ""),
    ],
)
def test_mistakes_are_refused(refused: Any, args: tuple[str, ...], says: str, hint: str) -> None:
    refused("curves", *args, says=says, hint=hint)


@pytest.mark.slow
@pytest.mark.usefixtures("results")
def test_curves_import_no_torch_and_no_numpy(tmp_path: Path) -> None:
    modules = {name.partition(".")[0] for name in imported_modules(("curves", *RUNS), tmp_path)}
    assert not modules & {"torch", "numpy", "matplotlib"}
