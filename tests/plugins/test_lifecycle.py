"""Lifecycle hooks: what each tells, in which order and process, and that no listener changes or ends a run."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import json
import os
import re
import sys

import pytest
from listener_sources import EAR, FILE_EAR
from short_runs import short_run, write_blobs, write_small_suite

import calibench
from calibench.config.expand import configure
from calibench.config.request import RunRequest
from calibench.plugins import lifecycle_hookspecs
from calibench.plugins.discovery import registry
from calibench.plugins.events import EVENTS
from calibench.runs.launchers.messages import Event, Task
from calibench.runs.launchers.outcome import outcome_of
from calibench.runs.options import RunOptions
from calibench.runs.sweeps.cells import cells_of
from calibench.runs.sweeps.sweep import sweep

RECIPE = "ce:lr_schedule=steps,milestones=1,lr_decay=0.1+vtst+temperature"


@pytest.fixture
def blobs(tmp_path):
    return write_blobs(tmp_path)


@pytest.fixture
def ear(install_plugin):
    """The events of an installed plugin, as pairs of a hook's name and the event."""
    install_plugin("ear", EAR)
    registry()
    return sys.modules["ear"].heard


def of(heard, hook):
    return [event for name, event in heard if name == hook]


@pytest.mark.slow
def test_a_run_tells_what_its_record_holds(ear, blobs, tmp_path):
    record = short_run(RECIPE, blobs, tmp_path / "r")
    hooks = [name for name, _ in ear]
    assert hooks[0] == "run_started"
    assert hooks[-1] == "run_finished"
    assert {type(event) for name, event in ear} == set(EVENTS.values()) - {calibench.SweepCellFinished}

    (started,), (finished,) = of(ear, "run_started"), of(ear, "run_finished")
    assert started.n == record.n
    run = started.run
    named = {name: getattr(run, name) for name in ("run_id", "recipe", "dataset", "model", "noise", "seed", "config")}
    assert named == {name: record.to_dict()[name] for name in named}
    assert run.results == str(tmp_path / "r")
    assert all(event.run is run for _, event in ear)

    epochs = of(ear, "epoch_finished")
    told = {
        stage: {
            "epochs": [e.epoch for e in epochs if e.stage == stage],
            "train_loss": [float(f"{e.train_loss:.5g}") for e in epochs if e.stage == stage],
            "val_nll": [float(f"{e.val_nll:.5g}") for e in epochs if e.stage == stage],
        }
        for stage in ("stage1", "stage2")
    }
    of_record = [{key: curve[key] for key in told["stage1"]} for curve in record.curves]
    assert [told["stage1"], told["stage2"]] == of_record
    assert [(e.training, e.epochs, e.member) for e in epochs if e.stage == "stage1"] == [("stage 1, ce", 2, None)] * 2
    assert [e.lr for e in epochs if e.stage == "stage1"] == pytest.approx([1e-3, 1e-4])

    stages = of(ear, "stage_finished")
    assert [stage.stage for stage in stages] == ["stage1", "features", "stage2", "posthoc", "judge"]
    assert not any(stage.from_cache for stage in stages)
    seconds = {stage.stage: round(stage.seconds, 4) for stage in stages}
    assert seconds == {name: value for name, value in record.timings_s.items() if name not in {"data", "total"}}
    assert stages[0].figures["epoch"] == record.fitted[0]["epoch"]
    assert [float(f"{value:.5g}") for value in stages[0].curve["val_nll"]] == record.curves[0]["val_nll"]

    metrics = of(ear, "metric_computed")
    assert {m.name: m.value for m in metrics} == record.metrics
    assert {m.name: m.interval and list(m.interval) for m in metrics} == record.intervals
    floors = {m.name: m.noise_floor for m in metrics if m.noise_floor is not None}
    assert floors == {name: floor["mean"] for name, floor in record.noise_floor.items()}
    assert {m.name: (m.unit, m.better) for m in metrics} == {
        name: (about["unit"], about["better"]) for name, about in record.units.items()
    }

    assert (finished.error, finished.there_already) == ("", False)
    stored = (tmp_path / "r" / "records" / f"{record.run_id}.json").read_text()
    assert json.loads(json.dumps(finished.record)) == json.loads(stored)
    assert finished.record_file == str(tmp_path / "r" / "records" / f"{record.run_id}.json")
    assert finished.predictions_file == str(tmp_path / "r" / record.predictions["file"])


EXAMPLES = {
    "calibench_run_started": ("runs.log", r"npz-mlp-ce-s0-\w{12} starts on \d+ rows\n"),
    "calibench_epoch_finished": ("epochs.csv", r"(stage 1, ce,[12],\d\.\d{5},\d\.\d{5},0\.001\n){2}"),
    "calibench_stage_finished": ("stages.log", r"stage1 \d\.\d s\nposthoc 0\.0 s\njudge \d\.\d s\n"),
    "calibench_metric_computed": ("ece.log", r"npz-mlp-ce-s0-\w{12} 0\.\d{4} \[0\.\d{4}, 0\.\d{4}\]\n"),
    "calibench_run_finished": ("runs.log", r"npz-mlp-ce-s0-\w{12} [a-z].*\n"),
    "calibench_sweep_cell_finished": ("sweep.log", r"1/1 ce:epochs=2, seed 0: npz-mlp-ce-s0-\w{12}\n"),
}
"""The file that the plugin of each docstring writes, and its content."""


@pytest.mark.parametrize("hook", EVENTS)
def test_the_plugin_of_a_docstring_works(hook, install_plugin, tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", inspect.getdoc(getattr(lifecycle_hookspecs, hook)), re.DOTALL)
    assert len(blocks) == 1
    install_plugin("my_module", blocks[0])
    monkeypatch.chdir(tmp_path)
    if hook == "calibench_sweep_cell_finished":
        (config,) = configure(RunRequest(("ce",), (0,), write_blobs(tmp_path), epochs=2, device="cpu"), None)
        cells = cells_of([config], RunOptions(tmp_path / "r"), 1)
        sweep("small", cells, RunOptions(tmp_path / "r"), launch=in_turn)
    else:
        short_run("ce", write_blobs(tmp_path), None)
    file, content = EXAMPLES[hook]
    assert re.fullmatch(content, (tmp_path / file).read_text())


def in_turn(configs, options, workers):
    """The launcher that makes one run after another here."""
    for number, config in enumerate(configs):
        yield Event(0, outcome_of(Task(number, config), options))


def test_what_was_there_is_told_as_such(ear, blobs, tmp_path):
    short_run("ce", blobs, tmp_path / "r")
    ear.clear()
    short_run("ce+temperature", blobs, tmp_path / "r")
    (stage_1,) = [event for event in of(ear, "stage_finished") if event.stage == "stage1"]
    assert stage_1.from_cache
    assert len(stage_1.curve["train_loss"]) == 2
    assert not of(ear, "epoch_finished")
    ear.clear()
    record = short_run("ce+temperature", blobs, tmp_path / "r")
    assert [name for name, _ in ear] == ["run_finished"]
    assert ear[0][1].there_already
    assert ear[0][1].record == record.to_dict()


def test_members_of_an_ensemble_have_numbers(ear, blobs):
    record = short_run("ce+ensemble:members=2", blobs, None)
    assert [(e.member, e.epoch) for e in of(ear, "epoch_finished")] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert [(e.stage, e.member) for e in of(ear, "stage_finished")] == [
        ("stage1", 0),
        ("stage1", 1),
        ("posthoc", None),
        ("judge", None),
    ]
    (finished,) = of(ear, "run_finished")
    assert (finished.record_file, finished.predictions_file) == (None, None)
    assert finished.record == record.to_dict()


def test_shifts_and_ood_sets_are_told_too(ear, tmp_path, blobs):
    record = calibench.run("ce", epochs=1, shift="rotation:angles=30", results=None)
    assert {m.name: m.value for m in of(ear, "metric_computed")} == record.metrics
    assert "shift" in [stage.stage for stage in of(ear, "stage_finished")]


def test_a_run_that_fails_tells_why(ear, blobs):
    with pytest.raises(calibench.RunError, match="the loss is nan"):
        short_run("ce:lr=1e30", blobs, None)
    (finished,) = of(ear, "run_finished")
    assert finished.record is None
    assert "the loss is nan in epoch 1" in finished.error


def test_ctrl_c_is_told(ear, blobs):
    def report(what, done, total, note):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        short_run("ce", blobs, None, report=report)
    assert of(ear, "run_finished")[0].error == "interrupted"


def test_a_run_that_cannot_begin_tells_nothing(ear, blobs):
    with pytest.raises(calibench.InputError):
        short_run("ce", "npz:path=nowhere.npz", None)
    assert ear == []


def test_events_are_frozen():
    for event in EVENTS.values():
        assert dataclasses.is_dataclass(event)
        assert event.__dataclass_params__.frozen


@pytest.fixture
def file_ear(install_plugin, tmp_path, monkeypatch):
    """A function that returns the events that the processes of a sweep have written."""
    file = install_plugin("file_ear", FILE_EAR)
    monkeypatch.setenv("EAR_FILE", str(tmp_path / "events.jsonl"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(file.parent), os.environ.get("PYTHONPATH", "")]))
    return lambda: [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["local", "ray"])
def test_in_a_sweep_each_event_fires_where_it_happens(launcher, file_ear, cli, tmp_path):
    if launcher == "ray":
        pytest.importorskip("ray")
    suite = write_small_suite(tmp_path, ["ce", "ce:lr=1e30"])
    there = importlib.util.find_spec("tensorboard") is not None
    track = ["--track", "tensorboard:dir=logs"] if there else []
    swept = cli("sweep", suite, "-s", "0", "--jobs", "1", "--launcher", launcher, "-q", "--json", *track)
    assert swept.code == 1, swept.err
    events = file_ear()
    here = os.getpid()
    cells = [event for event in events if event["hook"] == "sweep_cell_finished"]
    others = [event for event in events if event["hook"] != "sweep_cell_finished"]
    assert {event["pid"] for event in cells} == {here}
    assert here not in {event["pid"] for event in others}
    assert [(cell["done"], cell["total"]) for cell in cells] == [(1, 2), (2, 2)]
    good, bad = sorted(cells, key=lambda cell: cell["recipe"])
    assert (good["recipe"], good["error"], good["there_already"]) == ("ce:epochs=2", "", False)
    assert (tmp_path / "results" / "records" / f"{good['run_id']}.json").is_file()
    assert "is nan" in bad["error"] or "is inf" in bad["error"]
    assert (bad["run_id"], bad["seconds"]) == ("", None)
    if there:
        assert {folder.name for folder in (tmp_path / "logs").iterdir()} == {event["run"]["run_id"] for event in others}
    hooks = [event["hook"] for event in others if event["run"]["recipe"] == "ce:epochs=2"]
    assert hooks.count("epoch_finished") == 2
    assert (hooks[0], hooks[-1]) == ("run_started", "run_finished")
