"""What a figure was made with: versions and machine, for the record."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from pathlib import Path

PACKAGES = ("calibench", "torch", "numpy", "scipy", "scikit-learn", "safetensors")


def versions(distributions: Iterable[str] = ()) -> dict[str, str]:
    """Python's version and those of our dependencies and of the plugins' distributions."""
    found = {"python": platform.python_version()}
    for name in sorted({*PACKAGES, *distributions}):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def machine(threads: int, device: str) -> dict[str, str | int]:
    """Operating system, processor, cores, the threads torch used, and the device."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "threads": threads,
        "device": device,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
