"""`run(model=...)` names what is wrong with a network, before anything is written."""

from __future__ import annotations

import sys

import pytest
import torch
from small_networks import (
    DropsInEvalMode,
    Hidden,
    ReadsItsHeadsWeight,
    ReturnsAPair,
    RunsItsHeadTwice,
    ScalesItsLogits,
    always,
    class_without_file,
    frozen,
    impossible_to_copy,
    with_nan,
    with_weights_from_numpy,
    without_linear_layer,
)
from torch import nn

from calibench import InputError, run

pytestmark = pytest.mark.usefixtures("one_thread")


MISTAKES = {
    "a class": (lambda: {"model": Hidden}, "Hidden is a class", "Hidden(...)"),
    "a number": (lambda: {"model": 3}, "a int is no torch module", "torch.nn.Module"),
    "a classifier": (
        lambda: {"model": type("Clf", (), {"predict_proba": 1})()},
        "a Clf is no torch module",
        "evaluate",
    ),
    "no argument": (lambda: {"model": class_without_file}, "cannot be called with one argument", "lambda task"),
    "returns None": (lambda: {"model": lambda task: None}, "returned a NoneType", "return"),
    "raises": (lambda: {"model": lambda task: 1 / 0}, "ZeroDivisionError", "num_classes"),
    "scripted": (lambda: {"model": torch.jit.script(nn.Linear(64, 10))}, "scripted module", "made from"),
    "double": (lambda: {"model": nn.Linear(64, 10).double()}, "expected m1 and m2|same dtype|Double", "float32"),
    "meta": (lambda: {"model": nn.Linear(64, 10, device="meta")}, "device 'meta'", "weights"),
    "other rows": (lambda: {"model": nn.Linear(63, 10)}, r"fails on rows \[N, 64\] of the data", "float32"),
    "other classes": (lambda: {"model": nn.Linear(64, 9)}, "has 9 outputs, and the data has 10 classes", "from 0 to 9"),
    "one sigmoid": (lambda: {"model": nn.Linear(64, 1)}, "has 1 outputs", "two logits"),
    "a tuple": (lambda: {"model": ReturnsAPair()}, "returns a tuple", "forward returns the logits"),
    "a sequence": (lambda: {"model": nn.Sequential(nn.Unflatten(1, (8, 8)), nn.Linear(8, 10))}, "shape", "[N, K]"),
    "nan": (lambda: {"model": with_nan()}, "NaN", "weights"),
    "scaled": (lambda: {"model": ScalesItsLogits()}, "its outputs are neither those of 'fc'", "logits"),
    "sigmoids of one label": (
        lambda: {"model": nn.Sequential(nn.Linear(64, 10), nn.Sigmoid())},
        "its outputs are neither those of '0' nor their softmax",
        "logits",
    ),
    "twice": (lambda: {"model": RunsItsHeadTwice()}, "runs more than once", "head"),
    "peeking": (lambda: {"model": ReadsItsHeadsWeight()}, "cannot be cut at 'fc'", "Network"),
    "dropping": (
        lambda: {"model": DropsInEvalMode()},
        "different outputs for the same rows in eval mode",
        "training=self.training",
    ),
    "no linear": (
        lambda: {"model": without_linear_layer()},
        "no linear layer",
        "Network",
    ),
    "head typo": (lambda: {"model": Hidden(), "head": "fcc"}, "no part called 'fcc'", "did you mean 'fc'?"),
    "wrong head": (lambda: {"model": Hidden(), "head": "inner"}, "cannot be cut|its outputs are neither", "head"),
    "head of a name": (lambda: {"model": "mlp", "head": "fc"}, "head='fc' would do nothing", "module"),
    "trained default": (lambda: {"trained": True}, "trained=True would do nothing", "module"),
    "trained text": (lambda: {"model": Hidden(), "trained": "no"}, "trained='no' is a str", "leave"),
    "frozen": (lambda: {"model": frozen(), "trained": False}, "no weights that may be trained", "trained=True"),
    "numpy weights": (lambda: {"model": with_weights_from_numpy}, "another network each time", "torch alone"),
    "idle epochs": (lambda: {"model": Hidden(), "epochs": 3}, "would do nothing", "trained=False"),
    "idle objective": (lambda: {"model": Hidden(), "method": "focal"}, "would do nothing", "trained=False"),
    "ensemble of one": (
        lambda: {"model": Hidden(), "trained": False, "method": "ensemble:members=2"},
        "begin with the same weights",
        "lambda task",
    ),
    "ensemble of the same": (
        lambda: {"model": always(Hidden()), "method": "ensemble:members=2"},
        "begin with the same weights",
        "lambda task",
    ),
    "rows beside it": (
        lambda: {"model": nn.Sequential(nn.BatchNorm1d(64, track_running_stats=False), nn.Linear(64, 10))},
        "the outputs of a row depend on the rows beside it",
        "running statistics",
    ),
    "exits": (lambda: {"model": lambda task: sys.exit(3)}, "SystemExit: 3", "num_classes"),
    "no copy": (lambda: {"model": impossible_to_copy()}, "cannot be copied", "anew each time"),
    "no copy, one each time": (lambda: {"model": always(impossible_to_copy())}, "cannot be copied", "anew each time"),
    "no dropout": (lambda: {"model": nn.Linear(64, 10), "method": "mc-dropout"}, "no dropout", "dropout"),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named_before_anything_is_written(mistake, data, tmp_path):
    make, message, hint = MISTAKES[mistake]
    options = {"method": "ce", "dataset": data, **make()}
    with pytest.raises(InputError, match=message) as raised:
        run(**options, results=tmp_path / "r")
    assert hint in raised.value.hint
    assert not (tmp_path / "r").exists()
