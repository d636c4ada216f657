"""Import paths of earlier versions still work: each is the module of today, and warns where that is."""

from __future__ import annotations

import importlib
import sys
import warnings
from types import ModuleType

import pytest

from calibench import kernels, training
from calibench.data import noise
from calibench.moved import MOVED
from calibench.outputs import decisions


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_old_path_is_the_new_module_and_warns(old, new, monkeypatch):
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{old} has moved to {new}"):
        module = importlib.import_module(old)
    assert isinstance(module, ModuleType)
    assert module is importlib.import_module(new)


def test_documented_names_lead_to_the_objects_of_today(monkeypatch):
    for old in MOVED:
        monkeypatch.delitem(sys.modules, old, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from calibench.data.noisy import Noisy
        from calibench.decisions import Decisions
        from calibench.models.training import mean_nll, predict, seeded, train
    assert (train, predict, mean_nll) == (training.train, training.predict, training.mean_nll)
    assert seeded is training.seeded
    assert Decisions is decisions.Decisions
    assert Noisy is noise.Noisy
    assert kernels.fit_temperature


def test_a_name_that_never_existed_is_still_missing():
    with pytest.raises(ModuleNotFoundError, match=r"calibench\.decision_rules"):
        importlib.import_module("calibench.decision_rules")
