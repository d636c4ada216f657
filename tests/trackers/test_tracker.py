"""The base of the trackers, without any of their packages: what a log gets of a run, of the cache, and of a failure."""

from __future__ import annotations

import builtins
import math
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from imported_modules import imported_modules
from short_runs import short_run

import calibench
from calibench.plugins.discovery import registry
from calibench.runs.trackers import with_absolute_paths
from calibench_trackers.flat import figures_of, settings_of
from calibench_trackers.needed import needed
from calibench_trackers.tracker import Tracker

NAMES = ("comet", "mlflow", "tensorboard", "wandb")


class Kept(Tracker):
    """A tracker that keeps what it is told, for all objects of the class."""

    begun: list = []  # noqa: RUF012
    points: list = []  # noqa: RUF012
    ended: list = []  # noqa: RUF012

    def begin(self, run, settings):
        self.begun.append((run, settings))
        return run.run_id

    def point(self, log, course, epoch, values):
        self.points.append((course, epoch, values))

    def end(self, log, finished, figures):
        self.ended.append((log, finished, figures))


PLUGIN = """
import calibench

@calibench.hookimpl
def calibench_trackers():
    return [calibench.TrackerSpec(name="kept", target="kept_tracker:Kept", summary="Keeps what it is told.")]
"""


@pytest.fixture
def kept(install_plugin, monkeypatch):
    """The class, installed as the tracker `kept`."""
    monkeypatch.setitem(sys.modules, "kept_tracker", SimpleNamespace(Kept=Kept))
    install_plugin("kept_plugin", PLUGIN)
    Kept.begun, Kept.points, Kept.ended = [], [], []
    return Kept


def test_a_log_has_settings_curves_and_figures(kept, blobs):
    record = short_run("ce+vtst+temperature", blobs, None, track="kept")
    ((run, settings),) = kept.begun
    assert (settings["recipe"], settings["seed"], settings["vtst.epochs"]) == (record.recipe, 0, 2)
    assert settings["rows.test"] == record.n["test"]
    assert settings["mlp.hidden"] == "8"
    assert None not in settings.values()
    for course, stage in (("stage1", record.curves[0]), ("stage2", record.curves[1])):
        told = [(epoch, float(f"{values['val_nll']:.5g}")) for own, epoch, values in kept.points if own == course]
        assert told == list(zip(stage["epochs"], stage["val_nll"], strict=True))
    assert all(values["lr"] > 0 for _, _, values in kept.points)
    ((log, finished, figures),) = kept.ended
    assert log == run.run_id == finished.run.run_id
    for name, value in record.metrics.items():
        assert figures.get(f"test/{name}") == value
        if record.intervals[name]:
            assert [figures[f"test/{name}_low"], figures[f"test/{name}_high"]] == record.intervals[name]
    assert figures["test/ece15_floor"] == record.noise_floor["ece15"]["mean"]


def test_epochs_of_a_cached_stage_are_logged_once(kept, blobs, tmp_path):
    short_run("ce", blobs, tmp_path)
    short_run("ce+temperature", blobs, tmp_path, track="kept")
    assert [(course, epoch) for course, epoch, _ in kept.points] == [("stage1", 1), ("stage1", 2)]
    assert "lr" not in kept.points[0][2]
    short_run("ce+temperature", blobs, tmp_path, track="kept")
    assert len(kept.begun) == len(kept.ended) == 1, "a stored run is not logged again"


def test_members_and_folds_have_curves_of_their_own(kept, blobs):
    short_run("ce+ensemble:members=2", blobs, None, track="kept")
    assert [course for course, *_ in kept.points] == ["member0/stage1"] * 2 + ["member1/stage1"] * 2
    kept.points.clear()
    short_run("forward:folds=2", blobs, None, track="kept")
    folds = [f"outoffold/out-of-fold network {number} of 2" for number in (1, 2)]
    assert [course for course, *_ in kept.points] == [folds[0]] * 2 + [folds[1]] * 2 + ["stage1"] * 2


def test_a_run_that_fails_ends_its_log(kept, blobs):
    with pytest.raises(calibench.RunError):
        short_run("ce:lr=1e30", blobs, None, track="kept")
    ((_, finished, figures),) = kept.ended
    assert figures == {}
    assert "the loss is nan" in finished.error


def test_figures_that_are_undefined_are_left_out():
    record = {"metrics": {"a": None, "b": 0.5}, "intervals": {"a": None, "b": None}, "noise_floor": {}}
    assert figures_of(record) == {"test/b": 0.5}


def test_settings_of_a_run_without_noise_are_plain():
    run = SimpleNamespace(run_id="r", recipe="ce", dataset="d", model="m", noise=None, seed=1, config={"device": "cpu"})
    flat = settings_of(run, {"train": 3})
    assert flat == {
        "run_id": "r",
        "recipe": "ce",
        "dataset": "d",
        "model": "m",
        "seed": 1,
        "device": "cpu",
        "rows.train": 3,
    }
    assert not any(isinstance(value, float) and math.isnan(value) for value in flat.values())


@pytest.mark.parametrize("name", NAMES)
def test_without_its_package_a_tracker_names_the_extra(name, monkeypatch, refused):
    find = builtins.__import__

    def missing(module, *rest, **others):
        if module.partition(".")[0] in {"tensorboard", "wandb", "mlflow", "comet_ml"}:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
        return find(module, *rest, **others)

    monkeypatch.setattr("calibench_trackers.needed.importlib", SimpleNamespace(import_module=missing))
    for command in (("run", "-m", "ce"), ("sweep", "quick-v1")):
        refused(
            *command, "--track", name, says=f"--track {name} needs the package", hint=f'pip install "calibench[{name}]"'
        )


def test_paths_of_a_tracker_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert with_absolute_paths("tensorboard") == f"tensorboard:dir={tmp_path}/runs"
    assert with_absolute_paths("comet:dir=a,mode=offline") == f"comet:mode=offline,dir={tmp_path}/a"
    assert with_absolute_paths("wandb:project=p") == "wandb:project=p"


def test_a_module_that_is_there_is_imported():
    assert needed("json", "x") is __import__("json")


def test_listing_trackers_imports_none_of_their_packages(tmp_path):
    modules = {name.partition(".")[0] for name in imported_modules(("list", "trackers"), tmp_path)}
    assert "calibench_trackers" in modules
    assert not modules & {"tensorboard", "wandb", "mlflow", "comet_ml", "torch", "numpy"}


def test_every_tracker_has_an_extra():
    extras = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    ours = [entry.spec.name for entry in registry("tracker").all("tracker") if entry.plugin.distribution == "calibench"]
    assert ours == list(NAMES)
    assert set(ours) <= set(extras)
