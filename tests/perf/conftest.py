"""Puts this folder on the path, and into a trend file what its times depend on."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

# Under --import-mode=importlib files of one folder do not find each other otherwise.
sys.path.insert(0, str(Path(__file__).parent))


def pytest_benchmark_update_machine_info(config: object, machine_info: dict[str, Any]) -> None:
    """pytest-benchmark's own record holds the processor and Python."""
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
