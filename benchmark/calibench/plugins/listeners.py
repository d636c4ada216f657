"""Listeners: functions of plugins and trackers that hear of runs. No error of theirs leaves the call, and no random draw."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pluggy

from calibench.errors import CalibenchWarning, PluginError
from calibench.plugins import lifecycle_hookspecs
from calibench.plugins.events import EVENTS
from calibench.plugins.hookspecs import GROUP

_seconds = 0.0
"""Seconds that listeners took in this process."""


def clock() -> float:
    """Seconds as `time.perf_counter` counts them, but for a clock that stands still while a listener is called."""
    return time.perf_counter() - _seconds


@dataclass(eq=False)
class Listener:
    """One plugin or tracker: its name for messages, and its function for each lifecycle hook that it implements."""

    name: str
    functions: Mapping[str, Callable[..., object]]
    warned: bool = False
    """True once an error of it was named."""

    def tell(self, hook: str, event: Any) -> None:
        """Call the function of `hook`, if there is one. Its first error becomes a warning; Ctrl-C passes."""
        global _seconds  # noqa: PLW0603 - one clock a process
        function = self.functions.get(hook)
        if function is None:
            return
        start = time.perf_counter()
        try:
            with _same_random_draws():
                function(event)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if not self.warned:
                self.warned = True
                message = f"{self.name}: {hook} failed: {type(error).__name__}: {error}; the run goes on"
                warnings.warn(message, CalibenchWarning, stacklevel=2)
        finally:
            _seconds += time.perf_counter() - start


def listener_of(name: str, holder: Any) -> Listener:
    """The hooks of an object with methods under `@calibench.hookimpl`, such as a tracker; PluginError if it has none."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(lifecycle_hookspecs)
    try:
        manager.register(holder, name=name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"{name}: {' '.join(str(error).split())}", "correct the plugin") from None
    functions = functions_of(manager, name)
    if not functions:
        hint = f"put @calibench.hookimpl above its methods: {', '.join(EVENTS)}"
        raise PluginError(f"{name} implements no lifecycle hook", hint)
    return Listener(name, functions)


def functions_of(manager: pluggy.PluginManager, plugin: str) -> dict[str, Callable[..., object]]:
    """For each lifecycle hook that the registered plugin implements its function, called as `function(event)`."""
    functions: dict[str, Callable[..., object]] = {}
    for hook in EVENTS:
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            if implementation.plugin_name == plugin:
                functions[hook] = _with_event(implementation)
    return functions


def _with_event(implementation: pluggy.HookImpl) -> Callable[..., object]:
    """The implementation as a function of one event; it may take none. PluginError for a wrapper, which could not be isolated."""
    if implementation.wrapper or implementation.hookwrapper:
        raise PluginError(f"{implementation.function.__name__} is a hook wrapper", "write a plain function")
    return implementation.function if implementation.argnames else lambda event: implementation.function()


@contextmanager
def _same_random_draws() -> Iterator[None]:
    """Put the global random generators of Python, numpy and torch back after the block."""
    import random  # here: a listing imports this module

    modules = sys.modules
    numpy, torch = modules.get("numpy"), modules.get("torch")
    python = random.getstate()
    of_numpy = None if numpy is None else numpy.random.get_state()
    of_torch = None if torch is None else torch.get_rng_state()
    on_gpus = torch is not None and torch.cuda.is_initialized()
    of_gpus = torch.cuda.get_rng_state_all() if torch is not None and on_gpus else None
    try:
        yield
    finally:
        random.setstate(python)
        if numpy is not None:
            numpy.random.set_state(of_numpy)
        if torch is not None:
            torch.set_rng_state(of_torch)
            if of_gpus is not None:
                torch.cuda.set_rng_state_all(of_gpus)
