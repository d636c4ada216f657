"""How much memory this process may still take."""

from __future__ import annotations

import contextlib
from pathlib import Path

MEMINFO = Path("/proc/meminfo")

CGROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current"), Path("/sys/fs/cgroup/memory.stat")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.stat"),
    ),
)
"""Limit, use and its parts of the group of processes that a container is, in version 2 and 1."""


def available_memory() -> int | None:
    """Bytes that can be taken without swapping, and within the container's limit; None where the system does not tell."""
    found = [size for size in (_of_machine(), *(_of_container(*files) for files in CGROUPS)) if size is not None]
    return min(found) if found else None


def _of_machine() -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _of_container(limit: Path, use: Path, parts: Path) -> int | None:
    """What the limit leaves. Files in the cache count as use, but give way."""
    with contextlib.suppress(OSError, ValueError):
        most, used = int(limit.read_text(encoding="ascii")), int(use.read_text(encoding="ascii"))
        lines = dict(line.split() for line in parts.read_text(encoding="ascii").splitlines())
        return max(most - used + int(lines.get("inactive_file", 0)), 0)
    return None  # there is no limit ("max"), or no container
