"""Shifts of plugins: when they are called, what their mean is over, and which mistakes are named."""

from __future__ import annotations

import functools
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import calibench
from calibench import InputError, PluginError, RunError, ShiftSpec, Variant
from calibench.config.grammar import bind
from calibench.data.load_shifts import load_shifts, variant_rows
from calibench.data.prepare import Data, prepare
from calibench.data.shift import ShiftTask
from calibench.plugins.discovery import registry

ROWS, FEATURES = 18, 4
"""Of the test split."""


@pytest.fixture(scope="module")
def data() -> Data:
    x = np.random.default_rng(0).random((90, FEATURES)).astype(np.float32)
    shares = {"val": 0.2, "cal": 0.2, "test": 0.2, "split_seed": 0}
    return prepare(calibench.Arrays(x=x, y=np.arange(90) % 3), shares, frozenset(), "here")


@pytest.fixture
def load(monkeypatch, data: Data):
    """`load(function, **spec)` is the shift of a plugin whose target is `function`, with its variants, and its binding."""

    def call(function: Callable[[ShiftTask], Any], **spec: Any):
        module = types.ModuleType("my_module")
        module.mine = function
        monkeypatch.setitem(sys.modules, "my_module", module)
        bound = bind(ShiftSpec(name="mine", target="my_module:mine", summary="Mine.", **spec), [])
        return load_shifts([bound], data)[0], bound

    return call


def test_a_shift_is_called_before_training_and_its_rows_are_made_later(load, data: Data):
    calls = []

    def mine(task: ShiftTask) -> list[Variant]:
        calls.append((task.x.shape, task.num_classes, task.lowest >= 0, task.highest <= 1))
        return [Variant("a", s, functools.partial(calls.append, s)) for s in (1, 2)]

    shift, _ = load(mine)
    assert calls == [((ROWS, FEATURES), 3, True, True)]
    assert data.test.x.shape == (ROWS, FEATURES)
    assert [v.name for v in shift.mean_over] == ["a 1", "a 2"]
    assert shift.text == "mine"


def test_the_mean_is_over_the_named_variants_and_needs_all_of_them(load):
    def variants(task: ShiftTask, severities: tuple[int, ...]) -> list[Variant]:
        return [Variant("a", s, lambda: task.x) for s in severities]

    mean_over = (("a", 1.0), ("a", 2.0))
    shift, _ = load(functools.partial(variants, severities=(1, 2, 3)), mean_over=mean_over)
    assert [v.severity for v in shift.mean_over] == [1, 2]
    shift, _ = load(functools.partial(variants, severities=(1, 3)), mean_over=mean_over)
    assert shift.mean_over == []


X = np.zeros((ROWS, FEATURES))


@pytest.mark.parametrize(
    ("result", "message", "error"),
    [
        ([X], "returned a ndarray, not a calibench.Variant", PluginError),
        ([], "makes no variant", InputError),
        ([Variant("a", 1, lambda: X), Variant("a", 1.0, lambda: X)], "'a 1' twice", PluginError),
        ([Variant("a", float("nan"), lambda: X)], "without a kind or a finite severity", PluginError),
        ([Variant("a", True, lambda: X)], "without a kind or a finite severity", PluginError),
        ([Variant("a", 1, lambda: X, rows=np.array([0, 0]))], "are not different test rows 0 .. 17", PluginError),
        ([Variant("a", 1, lambda: X, rows=np.array([ROWS]))], "are not different test rows", PluginError),
        ([Variant("a", 1, lambda: X, about={"mean": np.zeros(2)})], "`about` of a 1 is not JSON", PluginError),
    ],
)
def test_wrong_variants_are_named(load, result: list[Any], message: str, error: type[Exception]):
    with pytest.raises(error, match=message):
        load(lambda task: result)


def test_a_shift_that_raises_is_named(load):
    with pytest.raises(RunError, match="division by zero"):
        load(lambda task: 1 / 0)


@pytest.mark.parametrize(
    ("x", "rows", "message"),
    [
        (np.zeros((ROWS, 5)), None, r"shape \[18, 5\], not \[18, 4\]"),
        (X, np.array([4, 1]), r"shape \[18, 4\], not \[2, 4\]"),
        (np.full((ROWS, FEATURES), np.nan), None, "values that are not finite"),
    ],
)
def test_wrong_rows_of_a_variant_are_named(load, data: Data, x: np.ndarray, rows: np.ndarray | None, message: str):
    shift, bound = load(lambda task: [Variant("a", 1, lambda: x, rows=rows)])
    with pytest.raises(RunError, match=message):
        variant_rows(shift.variants[0], bound, data)


def test_a_variant_that_raises_is_named(load, data: Data):
    shift, bound = load(lambda task: [Variant("a", 1, lambda: {}["missing"])])
    with pytest.raises(RunError, match="shift 'mine': a 1 failed: KeyError"):
        variant_rows(shift.variants[0], bound, data)


def test_the_test_rows_are_read_only_and_a_variant_s_rows_are_not(load, data: Data):
    def in_place(task: ShiftTask) -> list[Variant]:
        return [Variant("a", 1, lambda: np.multiply(task.x, 2, out=task.x))]

    shift, bound = load(in_place)
    before = data.test.x.copy()
    with pytest.raises(RunError, match="read-only"):
        variant_rows(shift.variants[0], bound, data)
    np.testing.assert_array_equal(data.test.x, before)
    shift, bound = load(lambda task: [Variant("a", np.float32(1), lambda: task.x)])
    assert variant_rows(shift.variants[0], bound, data).flags.writeable
    assert type(shift.variants[0].severity) is float


def test_describing_a_shift_imports_no_torch():
    probe = "import sys, calibench; calibench.Variant, calibench.ShiftSpec; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


def test_every_registered_shift_loads_and_names_a_paper():
    entries = registry().all("shift")
    names = {"cifar10-c", "cifar100-c", "corruptions", "rotation", "label-shift"}
    assert {entry.spec.name for entry in entries} >= names
    for entry in entries:
        assert callable(entry.spec.load())
        assert entry.spec.paper
