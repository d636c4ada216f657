"""The versions and the machine that a record names."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from pathlib import Path

PACKAGES = ("calibench", "torch", "numpy", "scipy", "scikit-learn", "safetensors")


def versions(distributions: Iterable[str] = ()) -> dict[str, str]:
    """The versions of Python, of our dependencies, and of `distributions`, those of the plugins that took part."""
    version_of = {"python": platform.python_version()}
    for name in sorted({*PACKAGES, *distributions}):
        try:
            version_of[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version_of[name] = "not installed"
    return version_of


def machine(threads: int, device: str) -> dict[str, str | int]:
    """Operating system, processor, number of cores, number of threads that torch uses, and the device."""
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
