"""Sweeps: every run of a suite is made once, whatever is killed, and its record is the one that `calibench run` makes."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from short_runs import figures, short_run, write_blobs

from calibench import InputError
from calibench.config.suite import load_suite, read_suite
from calibench.records.record import ResultRecord
from calibench.records.store import read_predictions, read_records
from calibench.runs.launchers.local import launch
from calibench.runs.launchers.messages import Done, Workers
from calibench.runs.options import RunOptions
from calibench.runs.sweeps.cells import cells_of
from calibench.runs.sweeps.state import SweepState
from calibench.runs.sweeps.sweep import missing_cells, sweep

RECIPES = ("ce", "ce+temperature", "tst", "ce+isotonic", "label-smoothing")

SUITE = """
primary = "brier"
base = "ce"
method = [{recipes}]
seed = [0, 1]
[[data]]
dataset = "{dataset}"
model = "mlp:hidden=8"
noise = ["none", "symmetric:rate=0.2"]
[train]
epochs = 2
[set.tst]
epochs = 2
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite of 20 runs on 240 rows of five numbers."""
    folder = tmp_path_factory.mktemp("suite")
    file = folder / "small-v1.toml"
    dataset = write_blobs(folder)
    file.write_text(SUITE.format(recipes=", ".join(f'"{recipe}"' for recipe in RECIPES), dataset=dataset))
    return file


@pytest.fixture(scope="module")
def undisturbed(suite: Path) -> Path:
    """The results of a sweep that nobody disturbs. Tests that change it take a copy."""
    swept = make(suite, suite.parent / "undisturbed")
    assert (swept.made, swept.before, swept.failed) == (20, 0, [])
    assert list((suite.parent / "undisturbed" / "sweeps" / "logs").iterdir()) == [], "nobody has printed anything"
    return suite.parent / "undisturbed"


@pytest.fixture
def swept(undisturbed: Path, tmp_path: Path) -> Path:
    """A copy of these results, with the times of change."""
    return Path(shutil.copytree(undisturbed, tmp_path / "r"))


def make(suite: Path, results: Path, **options: Any) -> Any:
    loaded, own = load_suite(suite), RunOptions(results=results, wait=False)
    return sweep(loaded.name, cells_of(loaded.configs(), own, 1), own, jobs=options.pop("jobs", 2), **options)


def by_cell(results: Path) -> dict[tuple[Any, ...], ResultRecord]:
    records = read_records(results)
    found = {(r.recipe, r.dataset, r.noise, r.seed): r for r in records}
    assert len(found) == len(records)
    return found


def compared(results: Path) -> dict[tuple[Any, ...], str]:
    """The figures of each cell's record, and its predictions, which must be whole."""
    return {
        cell: figures(record)
        + str(read_predictions(results, record)["test.logits"].sum() if "isotonic" not in cell[0] else "")
        for cell, record in by_cell(results).items()
    }


@pytest.mark.slow
def test_every_run_is_made_once_with_the_record_of_run(suite: Path, undisturbed: Path, tmp_path: Path) -> None:
    found = by_cell(undisturbed)
    assert len(found) == 20
    dataset = f"npz:path={suite.parent / 'blobs.npz'}"
    alone = short_run("tst", dataset, tmp_path / "alone", settings=["tst.epochs=2"], seed=1)
    ours = found[alone.recipe, alone.dataset, None, 1]
    assert figures(ours) == figures(alone)
    assert ours.preset == {
        "name": "small-v1",
        "file": "small-v1.toml",
        "sha256": load_suite(suite).sha256,
        "changed": [],
        "suite": True,
        "method": "tst",
    }


@pytest.mark.slow
def test_stage_1_is_trained_once_for_all_recipes_that_share_it(undisturbed: Path) -> None:
    made = [stage for record in read_records(undisturbed) for stage in record.cache["made"]]
    assert made.count("stage1") == 8  # two objectives, two noises, two seeds
    assert made.count("stage2") == 4


@pytest.mark.slow
def test_the_second_call_makes_nothing_and_starts_no_worker(suite: Path, swept: Path) -> None:
    again = make(suite, swept, launch=lambda *_: pytest.fail("a worker was started"))
    assert (again.made, again.before, again.failed) == (0, 20, [])


@pytest.mark.slow
def test_a_record_that_was_removed_or_damaged_is_made_again(suite: Path, swept: Path) -> None:
    first, second = sorted((swept / "records").glob("*.json"))[:2]
    before = json.loads(first.read_text())
    first.unlink()
    second.write_text(second.read_text().replace('"schema"', '"scheme"'))
    again = make(suite, swept)
    assert (again.made, again.before) == (2, 18)
    assert figures(json.loads(first.read_text())) == figures(before)


@pytest.mark.slow
def test_other_data_in_the_file_make_other_runs(suite: Path, swept: Path, tmp_path: Path) -> None:
    with np.load(suite.parent / "blobs.npz") as content:
        x, y = content["train_x"], content["train_y"]
    np.savez(tmp_path / "blobs.npz", train_x=x * 2, train_y=y)
    changed = tmp_path / "small-v1.toml"
    changed.write_text(suite.read_text().replace(str(suite.parent), str(tmp_path)))
    missing = missing_cells(
        cells_of(load_suite(changed).configs(), RunOptions(), 1), SweepState.read(swept, "small-v1")
    )
    assert len(missing) == 20
    os.utime(suite.parent / "blobs.npz")  # the content is the same, which only reading it shows
    again = make(suite, swept)
    assert (again.made, again.before) == (0, 20)


@pytest.mark.slow
def test_a_cell_that_fails_is_named_and_the_others_go_on(suite: Path, swept: Path, tmp_path: Path) -> None:
    broken = tmp_path / "small-v1.toml"
    broken.write_text(suite.read_text().replace('"ce+isotonic"', '"mc-dropout"'))
    first = make(broken, swept)
    assert (first.made, first.before) == (0, 16)
    assert len(first.failed) == 4
    assert "mc-dropout" in first.failed[0][1].message
    again = make(broken, swept)
    assert (again.made, again.before, len(again.failed)) == (0, 16, 4)
    assert again.failed[0][1].message == first.failed[0][1].message
    assert len(make(broken, swept, retry_failed=True).failed) == 4


@pytest.mark.slow
def test_other_data_than_the_frozen_ones_fail(suite: Path, undisturbed: Path, swept: Path, tmp_path: Path) -> None:
    frozen = tmp_path / "small-v1.toml"
    text = suite.read_text().replace("[[data]]", f'[[data]]\nfingerprint = "{"0" * 64}"')
    frozen.write_text(text)
    refused = make(frozen, swept)
    assert (refused.made, len(refused.failed)) == (0, 20)
    assert "suite small-v1 is frozen on 000000000000" in refused.failed[0][1].message
    (fingerprint,) = {record.data["clean_fingerprint"] for record in read_records(undisturbed)}
    frozen.write_text(text.replace("0" * 64, fingerprint))
    assert make(frozen, swept).before == 20


@pytest.mark.slow
def test_a_forced_stage_is_made_once_for_all_workers(suite: Path, swept: Path) -> None:
    configs = [config for config in load_suite(suite).configs() if config.recipe.startswith("ce") and not config.noise]
    options = RunOptions(results=swept, force=True)
    events = list(launch(configs, options, Workers(2, 1, suite.parent)))
    ids = {event.message.run_id for event in events if isinstance(event.message, Done)}
    made = [stage for r in read_records(swept) if r.run_id in ids for stage in r.cache["made"]]
    assert len(ids) == len(configs)
    assert made.count("stage1") == 2  # one a seed


# --- kills ----------------------------------------------------------------------------------------------------------


def start(suite: Path, results: Path, before: Callable[[], object] | None = None) -> subprocess.Popen[bytes]:
    """A sweep in a process of its own, which calls `before` first: a shell's background jobs ignore Ctrl-C, and so would it."""
    command = [
        sys.executable,
        "-m",
        "calibench",
        "sweep",
        str(suite),
        "--jobs",
        "2",
        "--results",
        str(results),
        "--json",
    ]
    environment = os.environ | {"CALIBENCH_CHECKPOINT_SECONDS": "0"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, env=environment, preexec_fn=before)  # noqa: PLW1509


def workers_of(pid: int) -> list[int]:
    """The children of a process."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(entry.parent.name))
    return found


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["worker", "parent", "both"])
def test_a_sweep_that_is_killed_completes_on_the_same_command(
    whom: str, suite: Path, undisturbed: Path, tmp_path: Path
) -> None:
    chance, results = random.Random(whom), tmp_path / "r"
    for _ in range(2):
        process = start(suite, results)
        time.sleep(chance.uniform(2.0, 7.0))
        children = workers_of(process.pid)
        if whom in ("parent", "both"):
            kill(process.pid)
        if whom in ("worker", "both"):
            for child in children if whom == "both" else children[:1]:
                kill(child)
        if whom != "worker":
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        else:
            process.communicate(timeout=200)
    time.sleep(2)  # workers without a parent end
    process = start(suite, results)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    document = json.loads(out)
    assert document["failed"] == []
    assert document["before"] + document["made"] == 20
    assert compared(results) == compared(undisturbed)
    assert list(results.rglob("*.unfinished")) == []


def runs(process: int) -> bool:
    """True unless the process is gone, or has ended and nobody has asked for its exit code, as in containers without an init."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_ctrl_c_says_how_far_the_sweep_is(suite: Path, tmp_path: Path) -> None:
    process = start(suite, tmp_path / "r", before=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    while len(list((tmp_path / "r").glob("records/*.json"))) < 2 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    says = re.fullmatch(
        r"error: interrupted: (\d+) of 20 runs of small-v1 have a record\nhint: the same command makes the others\n",
        err.decode(),
    )
    assert says is not None, err
    assert 2 <= int(says[1]) <= len(list((tmp_path / "r").glob("records/*.json")))


@pytest.mark.slow
def test_workers_end_with_their_parent(suite: Path, tmp_path: Path) -> None:
    process = start(suite, tmp_path / "r")
    deadline = time.monotonic() + 30
    while len(children := workers_of(process.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    kill(process.pid)
    process.wait()
    deadline = time.monotonic() + 15
    while any(map(runs, children)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert len(children) == 2
    assert not any(map(runs, children))


@pytest.mark.slow
def test_two_sweeps_at_once_share_the_work(suite: Path, tmp_path: Path) -> None:
    processes = [start(suite, tmp_path / "r") for _ in range(2)]
    documents = [json.loads(process.communicate(timeout=300)[0]) for process in processes]
    assert sum(document["made"] for document in documents) == 20
    assert all(document["before"] + document["made"] == 20 for document in documents)
    made = [stage for record in read_records(tmp_path / "r") for stage in record.cache["made"]]
    assert made.count("stage1") == 8


# --- the file -------------------------------------------------------------------------------------------------------

GOOD = 'primary = "brier"\nbase = "ce"\nmethod = ["ce"]\n[[data]]\ndataset = "digits"\n'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("primary", "primery"), "unknown key 'primery'"),
        (('"brier"', '"ece15"'), "primary 'ece15' ranks no rows"),
        (('base = "ce"', 'base = "vtst"'), "base 'vtst' is none of its recipes"),
        (("[[data]]", "[data]"), "data holds a table"),
        (('dataset = "digits"', 'model = "mlp"'), "data 1: there is no 'dataset'"),
        (('"digits"', '"digits"\nmodle = "mlp"'), "data 1: unknown key 'modle'"),
        (('base = "ce"', ""), "there is no 'base'"),
        (("[[data]]", "[train]\nepoch = 3\n[[data]]"), "there is no parameter 'epoch'"),
        (('"brier"', "brier"), "not TOML"),
    ],
)
def test_mistakes_in_a_suite_are_named(change: tuple[str, str], message: str) -> None:
    with pytest.raises(InputError) as refused:
        read_suite(GOOD.replace(*change), "mine")
    assert message in refused.value.message


def test_the_suites_of_calibench_are_sound() -> None:
    suite = load_suite("quick-v1")
    configs = list(suite.configs())
    assert len(suite.methods) >= 25
    assert len(suite.data) >= 4
    assert len(configs) == len(suite.methods) * len(suite.data) * len(suite.seeds)
    assert all(data.fingerprint for data in suite.data)
