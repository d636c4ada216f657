"""What `Watch` sees of a call: inputs that it changes, wherever they stand, and generators that it touches."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from calibench.testing.watch import Watch, confirmed, watched_class


@dataclass
class Task:
    """Inputs in a dataclass."""

    x: Any
    rest: Any = None


def changes(value: Any) -> None:
    value += 1


@pytest.mark.parametrize(
    ("make", "change", "place"),
    [
        (lambda: np.zeros(3), changes, "task"),
        (lambda: torch.zeros(3), changes, "task"),
        (lambda: Task(torch.zeros(2)), lambda task: task.x.mul_(2).add_(1), "task.x"),
        (lambda: Task(0, {"a": [np.zeros(2)]}), lambda task: changes(task.rest["a"][0]), "task.rest['a'][0]"),
        (lambda: torch.tensor([float("nan"), 1.0]), lambda task: task[1:].add_(1), "task"),
    ],
)
def test_an_input_that_is_changed_is_named(make, change, place):
    watch = Watch()
    watch.call("fit", change, make())
    assert [text.replace("value", "task") for text in watch.changed] == [f"fit changes {place} in place"]


def test_inputs_that_stay_are_not_named():
    watch = Watch()
    result = watch.call("fit", lambda task: task.x * 2, Task(torch.tensor([1.0, float("nan")])))
    assert result[0] == 2
    assert not watch.changed
    assert not watch.seeded


@pytest.mark.parametrize(
    ("touch", "words"),
    [
        (random.random, "touches the global generator of Python's random"),
        (np.random.rand, "touches numpy's global generator"),
        (lambda: torch.manual_seed(123), "seeds torch's global generator"),
    ],
)
def test_a_generator_that_is_touched_is_named(touch, words):
    with torch.random.fork_rng():
        watch = Watch()
        watch.call("loss", touch)
    assert watch.seeded == [f"loss {words}"]


@pytest.mark.parametrize("drawn", [1, 7, 624, 625, 2000, 1_000_000])
@pytest.mark.parametrize("then", [0, 3, 700])
def test_the_seed_that_is_there_already_may_not_be_set_again(drawn, then):
    def again():
        torch.manual_seed(torch.initial_seed())
        torch.rand(then)

    with torch.random.fork_rng():
        for touch, seeded in ((again, then < drawn), (lambda: torch.rand(5), False), (lambda: None, False)):
            torch.manual_seed(5)
            torch.rand(drawn)
            watch = Watch()
            watch.call("fit", touch)
            assert bool(watch.seeded) == seeded


def test_torch_may_be_drawn_from_and_seeded_inside_a_fork():
    torch.rand(1)

    def draw():
        torch.rand(1)
        with torch.random.fork_rng():
            torch.manual_seed(5)

    watch = Watch()
    watch.call("fit", draw)
    assert not watch.seeded


def test_a_touch_of_the_first_call_alone_is_forgiven():
    calls = []

    def once() -> tuple[None, Watch]:
        watch = Watch()
        watch.call("load", lambda: random.random() if not calls else None)
        calls.append(1)
        return None, watch

    assert not confirmed(once)[1].seeded
    assert confirmed(lambda: (None, _seeded_always()))[1].seeded


def _seeded_always() -> Watch:
    watch = Watch()
    watch.call("load", np.random.seed, 0)
    return watch


def test_the_class_of_a_plugin_is_watched_and_stays_what_it_is():
    class Base:
        def inherited(self, x):
            changes(x)

    Base.__module__ = "calibench.stages.base"

    class Method(Base):
        def fit(self, x):
            return x + 1

        def steps(self, x):
            yield 1
            changes(x)
            yield 2

        def _own(self, x):
            changes(x)

    watch = Watch()
    kind = watched_class(Method, watch)
    method = kind()
    assert issubclass(kind, Method)
    assert kind.__module__ == Method.__module__
    assert kind.inherited is Base.inherited
    x = np.zeros(2)
    assert method.fit(x).sum() == 2
    assert list(method.steps(x)) == [1, 2]
    method._own(x)
    assert watch.changed == []
