"""Watch calls of a plugin's code: whether they change their inputs, or touch the global generators of random numbers."""

from __future__ import annotations

import functools
import inspect
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeVar

from calibench.lazy import np, torch
from calibench.plugins.specs import MethodSpec
from calibench.testing.torch_seed import reseeded, torch_state
from calibench.testing.verdict import FailsError

T = TypeVar("T")

DRAWN = 7
"""Numbers drawn from torch before a plugin's code: one that seeds with the seed that is there already goes back by them."""

DEEPEST = 4
"""Containers inside containers are followed so deep."""


@dataclass
class Watch:
    """What calls of a plugin's code did that they must not do."""

    changed: list[str] = field(default_factory=list)
    """Inputs that a call changed in place, as `fit changed outputs.scores`."""
    seeded: list[str] = field(default_factory=list)
    """Generators that a call seeded or drew from, as `fit touched numpy's global generator`."""

    def call(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `function`, and compare its inputs and the global generators before and after."""
        inputs = dict(inputs_of(function, args, kwargs))
        before = {place: _copy(value) for place, value in inputs.items()}
        generators = generator_states()
        try:
            return function(*args, **kwargs)
        finally:
            self.changed += [
                f"{name} changes {place} in place" for place in inputs if not _equal(inputs[place], before[place])
            ]
            self.seeded += [f"{name} {_FAULTS[key]}" for key in touched(generators, generator_states())]


def confirmed(make: Callable[[], tuple[T, Watch]]) -> tuple[T, Watch]:
    """`make()`; a second time, from other states of the generators, if it touched one: the first import of a library may do so."""
    with _other_states(20261130):
        result, watch = make()
    if not watch.seeded:
        return result, watch
    with _other_states(20261201):
        return make()


@contextmanager
def _other_states(seed: int) -> Iterator[None]:
    """Other states of the global generators inside the block: a plugin that has seeded one already is seen if it does so again."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state() if "torch" in sys.modules else None
    random.seed(seed)
    np.random.seed(seed)
    if before[2] is not None:
        torch.default_generator.manual_seed(seed)
        torch.rand(DRAWN)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        if before[2] is not None:
            torch.set_rng_state(before[2])


def refuse_changes(watch: Watch) -> None:
    """FailsError if a call changed an input in place."""
    if watch.changed:
        raise FailsError(watch.changed[0])


def refuse_seeding(watch: Watch) -> None:
    """FailsError if a call seeded a global generator, or drew from one that is not torch's."""
    if watch.seeded:
        raise FailsError(watch.seeded[0])


_FAULTS = {
    "random": "touches the global generator of Python's random",
    "numpy": "touches numpy's global generator",
    "torch": "seeds torch's global generator",
}


def generator_states() -> dict[str, Any]:
    """The states of the global generators: `random` and numpy may not move, torch may be drawn from and not be seeded."""
    state: dict[str, Any] = {"random": hash(random.getstate()), "numpy": None, "torch": None}
    if "numpy" in sys.modules:
        name, keys, *rest = np.random.get_state()
        state["numpy"] = (name, hash(np.asarray(keys).tobytes()), *rest)
    if "torch" in sys.modules:
        state["torch"] = torch_state()
    return state


def touched(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The generators that were seeded, or drawn from and are not torch's."""
    found = [name for name in ("random", "numpy") if before[name] != after[name]]
    seeded = before["torch"] is not None and reseeded(before["torch"], after["torch"])
    return [*found, "torch"] if seeded else found


def inputs_of(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Every tensor and array among the arguments, also in dataclasses, lists and dicts, by its place. Modules are left out."""
    try:
        named = inspect.signature(function).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        named = {f"argument {place}": value for place, value in enumerate([*args, *kwargs.values()], 1)}
    for name, value in named.items():
        if name != "self":
            yield from _leaves(name, value, DEEPEST)


def _leaves(place: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, np.ndarray) or ("torch" in sys.modules and isinstance(value, torch.Tensor)):
        yield place, value
    elif depth == 0:
        return
    elif is_dataclass(value) and not isinstance(value, type):
        for entry in fields(value):
            yield from _leaves(f"{place}.{entry.name}", getattr(value, entry.name), depth - 1)
    elif isinstance(value, Mapping):
        for key in list(value):
            yield from _leaves(f"{place}[{key!r}]", value[key], depth - 1)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _leaves(f"{place}[{number}]", item, depth - 1)


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value.detach().clone()


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return bool(a.shape == b.shape and a.tobytes() == b.tobytes())
    same: bool = a.shape == b.shape and torch.allclose(a.detach(), b, rtol=0, atol=0, equal_nan=a.is_floating_point())
    return same


@dataclass(frozen=True, kw_only=True)
class WatchedSpec(MethodSpec):
    """A method's spec whose target is a subclass of the method's class that watches every call."""

    inner: MethodSpec
    watch: Watch = field(compare=False)

    def load(self) -> type:
        """The watched subclass."""
        return watched_class(self.inner.load(), self.watch)


def watched_spec(spec: MethodSpec, watch: Watch) -> WatchedSpec:
    """The spec with a target that is watched."""
    values = {entry.name: getattr(spec, entry.name) for entry in fields(MethodSpec)}
    return WatchedSpec(**values, inner=spec, watch=watch)


def watched_class(target: type, watch: Watch) -> type:
    """A subclass of `target` whose public methods and `__init__`, those that the plugin wrote itself, are watched."""
    written = {
        name: member
        for kind in reversed(target.__mro__)
        if not kind.__module__.startswith("calibench.") and kind is not object
        for name, member in vars(kind).items()
        if inspect.isfunction(member) and (not name.startswith("_") or name == "__init__")
    }
    body = {name: _watched(name, member, watch) for name, member in written.items()}
    return type(target.__name__, (target,), {**body, "__module__": target.__module__})


def _watched(name: str, function: Callable[..., Any], watch: Watch) -> Callable[..., Any]:
    """The method, watched; of a generator each step."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        result = watch.call(name, function, *args, **kwargs)
        return _steps(name, result, watch) if inspect.isgenerator(result) else result

    return call


def _steps(name: str, generator: Iterator[Any], watch: Watch) -> Iterator[Any]:
    end = object()
    while (step := watch.call(name, next, generator, end)) is not end:
        yield step
