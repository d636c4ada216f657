"""Checks of a plugin while its names are listed: import, hooks, names, and what an import must not do. Runs in a child process."""

from __future__ import annotations

import atexit
import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass

from calibench.plugins.discovery import HOOKS, discover
from calibench.plugins.registry import Plugin, Registry
from calibench.testing.process import Process, Spent, refuse_network
from calibench.testing.source import Source
from calibench.testing.verdict import Check, DoesNotApplyError, FailsError
from calibench.testing.watch import generator_states, touched

MOST_SECONDS = 1.0
"""CPU time of the import and hooks."""

MOST_MIB = 100
"""Memory that the import and hooks may add."""

MOST_WAIT = 5.0
"""Seconds of the import and hooks by the clock."""

MOST_PEAK = 500
"""MiB that the import and hooks may hold for a while."""


@dataclass
class Listed:
    """What an import and the hooks did."""

    plugin: Plugin
    registry: Registry
    spent: Spent
    torch: bool
    seeded: list[str]
    reached: list[str]
    """Machines and programs that the import wanted to reach."""
    changed: list[str]
    """What it changed of the process."""


@dataclass
class Listing:
    """The subject of the checks: a source, and what its import did once it is imported."""

    source: Source
    stdout: Callable[[], str]
    """What was written on standard output so far."""
    listed: Listed | None = None

    def done(self) -> Listed:
        """What the import did; does not apply if it has failed."""
        if self.listed is None or self.listed.plugin.status == "broken":
            raise DoesNotApplyError("the plugin does not load")
        return self.listed


def imports(listing: Listing) -> str:
    """Import the module and call its hooks."""
    reached = refuse_network()
    point = listing.source.point()
    process, states, start = Process(), generator_states(), Spent()
    with contextlib.suppress(BaseException):  # `discover` meets it again, and says it
        module = point.load()  # here, since `discover` sends prints elsewhere
        for hook in HOOKS:
            if callable(function := getattr(module, hook, None)):
                list(function())
    registry = discover([point])
    spent = Spent().since(start)
    seeded = [name for name in touched(states, generator_states()) if name != "torch"]
    plugin = registry.plugins[0]
    changed = process.restore()
    listing.listed = Listed(plugin, registry, spent, "torch" in sys.modules, seeded, reached, changed)
    if plugin.status == "blocked":
        raise FailsError(f"it is {plugin.status} {plugin.error}", "unset CALIBENCH_DISABLE_PLUGINS")
    if plugin.status == "broken" and not _is_of_api(plugin):
        raise FailsError(f"it does not load: {plugin.error}")
    count = len(registry.entries)
    return "1 name" if count == 1 else f"{count} names"


def _is_of_api(plugin: Plugin) -> bool:
    return "calibench's API" in plugin.error or "CALIBENCH_API" in plugin.error


def api_fits(listing: Listing) -> str:
    """This calibench has the version of the API that the plugin states."""
    if listing.listed is not None and _is_of_api(listing.listed.plugin):
        raise FailsError(listing.listed.plugin.error)
    stated = listing.done().plugin.api
    if not stated:
        raise DoesNotApplyError('it states none, as in CALIBENCH_API = "1.0"')
    return stated


def names(listing: Listing) -> None:
    """No name is that of another plugin's item."""
    listing.done()
    faults = discover().faults + listing.done().registry.faults
    mine = [fault for fault in faults if f"plugin {listing.source.name!r}" in fault.message]
    if mine:
        raise FailsError(mine[0].message, mine[0].hint)


def no_torch(listing: Listing) -> None:
    """Listing imports no torch."""
    if listing.done().torch:
        raise FailsError("its import imports torch, so that every `calibench list` takes seconds")


def no_network(listing: Listing) -> None:
    """Listing reaches no other machine and starts no program."""
    reached = listing.done().reached if listing.listed is None else listing.listed.reached
    if reached:
        raise FailsError(f"its import {reached[0]}")
    listing.done()


def silent(listing: Listing) -> None:
    """Neither listing nor the end of the process prints on standard output."""
    at_end = "its import prints" if listing.stdout().strip() else "it prints at the end of the process"
    if listing.listed is not None:
        atexit._run_exitfuncs()  # those of the plugin: this process has no others
    text = listing.stdout().strip()
    if text:
        raise FailsError(f"{at_end} on standard output: {text.splitlines()[0][:60]!r}")
    listing.done()


def seeds_untouched(listing: Listing) -> None:
    """Listing touches no global generator of random numbers."""
    seeded = listing.done().seeded
    if seeded:
        raise FailsError(f"its import touches the global generator of {seeded[0]}")


def process_unchanged(listing: Listing) -> None:
    """Listing leaves the current folder, the standard files and the recursion limit as they are."""
    changed = listing.done().changed
    if changed:
        raise FailsError(f"its import {changed[0]}")


def light(listing: Listing) -> str:
    """Listing takes little time and memory."""
    spent = listing.done().spent
    found = f"{spent.seconds:.2f} s, {spent.mebibytes:.0f} MiB"
    if spent.peak > MOST_PEAK and spent.mebibytes <= MOST_MIB:
        raise FailsError(f"its import holds {spent.peak:.0f} MiB for a while; the limit is {MOST_PEAK} MiB")
    if spent.seconds > MOST_SECONDS or spent.mebibytes > MOST_MIB:
        raise FailsError(f"its import takes {found}; the limits are {MOST_SECONDS:g} s and {MOST_MIB} MiB")
    if spent.wait > MOST_WAIT:
        raise FailsError(
            f"its import ends after {spent.wait:.1f} s, most of which it waits; the limit is {MOST_WAIT:g} s"
        )
    return found


_LATE = "import it inside functions, or take it from calibench.lazy"
CHECKS = (
    Check("import", imports, "correct it; CALIBENCH_TRACEBACK=1 calibench list methods shows where"),
    Check("API version", api_fits, "docs/reference/stability.md says which versions fit"),
    Check("names", names),
    Check("no torch", no_torch, _LATE),
    Check("no network", no_network, "download inside the function that loads the data, if the user says --download"),
    Check("standard output", silent, "print nothing, or warn"),
    Check("global seeds", seeds_untouched, "make a generator of your own inside functions"),
    Check("process", process_unchanged, "leave what all code of a process shares as it is"),
    Check("time and memory", light, _LATE),
)
