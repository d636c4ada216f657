"""What an import does to its process: time, memory, network, programs, and the state that all code of the process shares."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

_NETWORK = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request", "http.client.connect"}
_SENDS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_PROGRAMS = {"subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"}
_FORKS = {"os.fork", "os.forkpty"}


class Spent:
    """Seconds of CPU time, seconds by the clock, and MiB now and at most, of this process so far."""

    def __init__(self) -> None:
        self.seconds, self.wait = time.process_time(), time.monotonic()
        unit = 1 if sys.platform == "darwin" else 1024
        self.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
        self.mebibytes = self.peak
        try:
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            self.mebibytes = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        except OSError:  # no /proc: the most so far
            pass

    def since(self, start: Spent) -> Spent:
        """What was spent since `start`; the peak is above the memory that was held there."""
        self.seconds, self.wait = self.seconds - start.seconds, self.wait - start.wait
        self.mebibytes, self.peak = self.mebibytes - start.mebibytes, self.peak - max(start.peak, start.mebibytes)
        return self


class Process:
    """The state that all code of this process shares, as it was when this object was made."""

    def __init__(self) -> None:
        self.folder, self.depth = os.getcwd(), sys.getrecursionlimit()  # noqa: PTH109 - the words of the system
        self.umask = _umask()

    def restore(self) -> list[str]:
        """What has changed since then, in words; all of it that can be is set back."""
        changed: list[str] = []
        if sys.getrecursionlimit() < self.depth:
            changed.append(f"lowers Python's recursion limit to {sys.getrecursionlimit()}")
            sys.setrecursionlimit(self.depth)
        try:
            now = os.getcwd()  # noqa: PTH109
        except OSError:
            now = "a folder that is gone"
        if now != self.folder:
            changed.append(f"changes the current folder to {now}")
            os.chdir(self.folder)
        if _umask() != self.umask:
            changed.append("changes the permissions of new files (umask)")
            os.umask(self.umask)
        for descriptor, name in enumerate(("standard input", "standard output", "standard error")):
            try:
                os.fstat(descriptor)
            except OSError:
                changed.append(f"closes {name}")
        return changed


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def refuse_network() -> list[str]:
    """A list that collects the machines and programs that code of this process reaches from now on; each is refused."""
    reached: list[str] = []

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in _NETWORK or event in _SENDS:
            place = args[1] if event in _SENDS else args[0]
            if event in _SENDS and (place is None or isinstance(place, str | bytes)):
                return  # a socket of this machine's files, or one that is connected already
            reached.append(f"reaches the network: {place!r}")
        elif event in _PROGRAMS:
            reached.append(f"starts a program: {str(args[0])!r}")
        elif event in _FORKS:
            reached.append("starts another process: os.fork")
        else:
            return
        raise OSError("a plugin may not reach the network or start programs while names are listed")

    sys.addaudithook(hook)
    return reached
