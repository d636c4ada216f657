"""Import paths and fields of earlier versions still work: each leads to the content of today, and warns with its name."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings
from types import ModuleType

import pytest
import torch

import calibench
from calibench import kernels, training
from calibench.data import noise
from calibench.data.shift import ShiftTask
from calibench.metrics.judged import Judged
from calibench.moved import MOVED, deprecated
from calibench.outputs import decisions
from calibench.plugins import params, specs


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_old_path_is_the_new_module_and_warns(old, new, monkeypatch):
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{old} has moved to {new[0]}"):
        module = importlib.import_module(old)
    assert isinstance(module, ModuleType)
    assert (module is importlib.import_module(new[0])) == (len(new) == 1)


def test_documented_names_lead_to_the_objects_of_today(monkeypatch):
    for old in MOVED:
        monkeypatch.delitem(sys.modules, old, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from calibench.data.noisy import Noisy
        from calibench.decisions import Decisions
        from calibench.models.schedule import Schedule
        from calibench.models.training import Resume, mean_nll, predict, random_state, seeded, train
        from calibench.specs import REQUIRED, MethodSpec, Param, Value
    assert (train, predict, mean_nll) == (training.train, training.predict, training.mean_nll)
    assert seeded is training.seeded
    assert Schedule is training.Schedule
    assert Resume
    assert random_state
    assert (REQUIRED, Param, Value) == (params.REQUIRED, params.Param, params.Value)
    assert MethodSpec is specs.MethodSpec
    assert Decisions is decisions.Decisions
    assert Noisy is noise.Noisy
    assert kernels.fit_temperature


@pytest.mark.slow
def test_names_are_found_as_attributes_of_their_packages():
    """In a fresh process, where nothing has imported the old modules."""
    code = (
        "import warnings; warnings.simplefilter('ignore'); import calibench, calibench.data, calibench.models; "
        "print(calibench.decisions.Decisions.__name__, calibench.specs.REQUIRED, "
        "calibench.models.training.train.__name__, calibench.data.noisy.Noisy.__name__)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.split() == ["Decisions", "REQUIRED", "train", "Noisy"], ran.stderr


@pytest.mark.parametrize("name", ["calibench.decision_rules", "calibench.models.trainings", "calibench.data.noises"])
def test_a_name_that_never_existed_is_still_missing(name):
    with pytest.raises(ModuleNotFoundError, match=name):
        importlib.import_module(name)
    package, _, attribute = name.rpartition(".")
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute '{attribute}'"):
        getattr(importlib.import_module(package), attribute)


def test_a_name_that_no_module_of_today_has_is_missing(monkeypatch):
    monkeypatch.delitem(sys.modules, "calibench.specs", raising=False)
    with pytest.warns(DeprecationWarning, match="has moved to"), pytest.raises(ImportError, match="Nothing"):
        from calibench.specs import Nothing  # noqa: F401


def test_old_fields_warn_and_answer():
    outputs = calibench.Outputs(torch.zeros(4, 2))
    judged = Judged(outputs, torch.zeros(4, dtype=torch.int64))
    x = torch.zeros(3, 2).numpy()
    task = ShiftTask(x, x, 2, 3, 0.0, 1.0)
    for thing, value in ((outputs, 1), (judged, 1), (task, 3)):
        with pytest.warns(DeprecationWarning, match=rf"{type(thing).__name__}\.questions is now labels_per_sample"):
            assert thing.questions == value
    with pytest.warns(DeprecationWarning, match=r"Judged\.doubt is now uncertainty"):
        assert (judged.doubt == judged.uncertainty).all()


def test_a_deprecation_names_the_version_that_ends_the_old_name():
    def old():
        deprecated("calibench.old is now calibench.new")

    with pytest.warns(
        DeprecationWarning, match=r"calibench.old is now calibench.new; the old name goes with API 2.0"
    ) as seen:
        old()
    assert seen[0].filename == __file__
