"""Import paths that earlier versions documented still work: each is the module of today, and warns where that is."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import ModuleType

import pytest

from calibench.moved import MOVED


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_old_path_is_the_new_module_and_warns(old, new, monkeypatch):
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{old} has moved to {new}"):
        module = importlib.import_module(old)
    assert isinstance(module, ModuleType)
    assert module is importlib.import_module(new)


def test_the_names_that_were_documented_are_there():
    code = (
        "from calibench.models.training import mean_nll, predict, seeded, train\n"
        "from calibench.data.noisy import Noisy\n"
        "from calibench.decisions import Decisions\n"
        "from calibench import kernels, training\n"
        "from calibench.outputs.decisions import Decisions as new\n"
        "assert train is training.train and Decisions is new and kernels.fit_temperature\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_name_that_never_was_is_still_missing():
    with pytest.raises(ModuleNotFoundError, match=r"calibench\.decision_rules"):
        importlib.import_module("calibench.decision_rules")
