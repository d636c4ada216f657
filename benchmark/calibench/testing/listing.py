"""Checks of a plugin while its names are listed: import, hooks, names, and what an import must not do. Runs in a child process."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calibench.plugins.discovery import HOOKS, discover
from calibench.plugins.registry import Plugin, Registry
from calibench.testing.source import Source
from calibench.testing.verdict import Check, DoesNotApplyError, FailsError
from calibench.testing.watch import generator_states

MOST_SECONDS = 1.0
"""CPU time of the import and hooks."""

MOST_MIB = 100
"""Memory that the import and hooks may add."""

_NETWORK = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request", "http.client.connect"}
_PROGRAMS = {"subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"}


@dataclass
class Listed:
    """What an import and the hooks did."""

    plugin: Plugin
    registry: Registry
    seconds: float
    mebibytes: float
    torch: bool
    seeded: list[str]
    reached: list[str] = field(default_factory=list)
    """Machines and programs that the import wanted to reach."""


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
    reached = _watch_network()
    point = listing.source.point()
    states, memory, start = generator_states(), _resident(), time.process_time()
    with contextlib.suppress(Exception, SystemExit):  # `discover` meets it again, and says it
        module = point.load()  # here, since `discover` sends prints elsewhere
        for hook in HOOKS:
            if callable(function := getattr(module, hook, None)):
                list(function())
    registry = discover([point])
    seconds, grown = time.process_time() - start, _resident() - memory
    after = generator_states()
    seeded = [name for name in ("random", "numpy") if states[name] != after[name]]
    plugin = registry.plugins[0]
    listing.listed = Listed(plugin, registry, seconds, grown / 2**20, "torch" in sys.modules, seeded, reached)
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
    """Listing prints nothing on standard output."""
    text = listing.stdout().strip()
    if text:
        raise FailsError(f"its import prints on standard output: {text.splitlines()[0][:60]!r}")
    listing.done()


def seeds_untouched(listing: Listing) -> None:
    """Listing touches no global generator of random numbers."""
    seeded = listing.done().seeded
    if seeded:
        raise FailsError(f"its import touches the global generator of {seeded[0]}")


def light(listing: Listing) -> str:
    """Listing takes little time and memory."""
    listed = listing.done()
    found = f"{listed.seconds:.2f} s, {listed.mebibytes:.0f} MiB"
    if listed.seconds > MOST_SECONDS or listed.mebibytes > MOST_MIB:
        raise FailsError(f"its import takes {found}; the limits are {MOST_SECONDS:g} s and {MOST_MIB} MiB")
    return found


def _resident() -> int:
    """Bytes of memory that this process holds."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # no /proc: the most so far, in bytes there
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _watch_network() -> list[str]:
    """A list that collects the machines and programs that code of this process reaches from now on; each is refused."""
    reached: list[str] = []

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in _NETWORK:
            place = args[1] if event == "socket.connect" else args[0]
            if isinstance(place, str | bytes) and event == "socket.connect":
                return  # a socket of this machine's files
            reached.append(f"reaches the network: {place!r}")
        elif event in _PROGRAMS:
            reached.append(f"starts a program: {str(args[0])!r}")
        else:
            return
        raise OSError("a plugin may not reach the network or start programs while names are listed")

    sys.addaudithook(hook)
    return reached


_LATE = "import it inside functions, or take it from calibench.lazy"
CHECKS = (
    Check("import", imports, "correct it; CALIBENCH_TRACEBACK=1 calibench list methods shows where"),
    Check("API version", api_fits, "docs/reference/stability.md says which versions fit"),
    Check("names", names),
    Check("no torch", no_torch, _LATE),
    Check("no network", no_network, "download inside the function that loads the data, if the user says --download"),
    Check("standard output", silent, "print nothing, or warn"),
    Check("global seeds", seeds_untouched, "make a generator of your own inside functions"),
    Check("time and memory", light, _LATE),
)
