"""`calibench.run` with lists of recipes and seeds, and the progress that it shows."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from short_runs import Trainings

import calibench
from calibench import InputError, RunError
from calibench.records.store import read_records


def table() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    y = rng.integers(3, size=200)
    return (rng.normal(size=(200, 5)) + 1.5 * np.eye(5)[y]).astype(np.float32), y


def test_a_list_of_recipes_and_seeds_gives_a_record_each_and_shares_training(tmp_path: Path) -> None:
    trainings = Trainings()
    records = calibench.run(
        ["ce", "ce+temperature", "tst"],
        dataset=table(),
        model="mlp:hidden=8",
        seed=[0, 1],
        epochs=2,
        settings=["tst.epochs=2"],
        results=tmp_path,
        report=trainings,
    )
    assert [(record.seed, record.recipe.partition(":")[0]) for record in records] == [
        (0, "ce"),
        (0, "ce"),
        (0, "ce"),
        (1, "ce"),
        (1, "ce"),
        (1, "ce"),
    ]
    assert ["temperature" in record.recipe for record in records] == [False, True, False] * 2
    assert trainings == ["stage 1, ce", "stage 2, TST"] * 2
    assert len(read_records(tmp_path)) == 6


def test_one_recipe_or_seed_in_a_list_still_gives_a_list(tmp_path: Path) -> None:
    options = {"dataset": table(), "model": "mlp:hidden=8", "epochs": 1, "results": tmp_path}
    assert len(calibench.run(["ce"], **options)) == 1
    assert len(calibench.run("ce", seed=range(2), **options)) == 2
    assert calibench.run("ce", seed=np.int64(0), **options).seed == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seed": [0, 0]}, "seed 0 is given twice"),
        ({"method": ["ce", "ce"]}, "method 'ce' is given twice"),
        ({"seed": []}, "seed is an empty list"),
        ({"seed": {0, 1}}, "a whole number, or a list of them"),
        ({"method": ["ce", None]}, "a text, or a list of them"),
    ],
)
def test_a_list_without_a_record_an_item_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        calibench.run(**({"method": "ce", "dataset": table(), "results": None} | given))  # type: ignore[call-overload]


def test_a_mistake_of_all_runs_is_an_input_error_and_a_failure_names_its_runs(tmp_path: Path) -> None:
    options = {"model": "mlp:hidden=8", "epochs": 1, "results": tmp_path}
    with pytest.raises(InputError, match="there is no file"):
        calibench.run(["ce", "ce+temperature"], "npz:path=gone.npz", **options)
    with pytest.raises(
        RunError, match=r"1 of 2 runs failed:\nce:epochs=1\+mc-dropout.*the model has no dropout"
    ) as failed:
        calibench.run(["ce", "mc-dropout"], table(), **options)
    assert "seed 0" in failed.value.message
    assert len(read_records(tmp_path)) == 1


def test_nothing_is_shown_in_a_log_unless_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"dataset": table(), "model": "mlp:hidden=8", "epochs": 1, "results": tmp_path}
    calibench.run("ce", **options)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.parametrize(("argument", "shown"), [("", True), (", progress=False", False)])
def test_a_terminal_shows_a_bar_for_each_run(argument: str, shown: bool, tmp_path: Path) -> None:
    code = (
        "import calibench, numpy as np\n"
        "y = np.arange(120) % 3\n"
        "x = np.random.default_rng(0).normal(size=(120, 5)).astype('f4')\n"
        f"calibench.run(['ce', 'tst'], (x, y), 'mlp:hidden=8', epochs=40, results=None{argument})\n"
    )
    ours, theirs = pty.openpty()
    ended = subprocess.Popen(
        [sys.executable, "-c", code], stderr=theirs, cwd=tmp_path, env=os.environ | {"TERM": "xterm"}
    )
    os.close(theirs)
    text = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        if not part:
            break
        text += part
    os.close(ours)
    assert ended.wait() == 0
    assert (b"[1/2] ce" in text) == shown
    assert (b"[2/2]" in text) == shown
