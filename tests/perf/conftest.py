"""Puts this folder on the path, and adds the facts that times depend on to a trend file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

# Under --import-mode=importlib the files of a folder do not find each other without this.
sys.path.insert(0, str(Path(__file__).parent))


def pytest_benchmark_update_machine_info(config: object, machine_info: dict[str, Any]) -> None:
    """Adds the kernels' build and threads; pytest-benchmark itself records the processor and Python."""
    import torch

    from calibench import kernels

    machine_info["calibench"] = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "backend": kernels.backend("cpu"),
        "build": kernels.build_info(),
        "isa_asked": os.environ.get("CALIBENCH_ISA", ""),
    }
