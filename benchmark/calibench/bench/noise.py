"""The load of the machine; without this a timing says little."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ticks:
    """Seconds since boot, summed over all cores."""

    total: float
    idle: float
    steal: float
    this_process: float


def ticks() -> Ticks | None:
    """A reading of /proc/stat and of the time of this process; None if the system has no /proc/stat."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
        hertz = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None
    # user nice system idle iowait irq softirq steal; guest time is in user already
    numbers = [int(field) / hertz for field in fields[:8]]
    if len(numbers) < 8:
        return None
    times = os.times()
    return Ticks(
        sum(numbers),
        numbers[3] + numbers[4],
        numbers[7],
        times.user + times.system + times.children_user + times.children_system,
    )


def between(start: Ticks | None, end: Ticks | None) -> dict[str, float | None]:
    """Shares of all cores' time: `steal` went to other virtual machines, `others` to other processes of this machine."""
    if start is None or end is None or end.total <= start.total:
        return {"steal": None, "others": None}
    total = end.total - start.total
    steal = (end.steal - start.steal) / total
    busy = total - (end.idle - start.idle) - (end.steal - start.steal)
    return {
        "steal": round(steal, 4),
        "others": round(max(0.0, busy - (end.this_process - start.this_process)) / total, 4),
    }


def load() -> list[float] | None:
    """Load averages over 1, 5 and 15 minutes."""
    try:
        return [round(value, 2) for value in os.getloadavg()]
    except OSError:
        return None


def surroundings(threads: int, device: str) -> dict[str, Any]:
    """Facts that a timing depends on besides the code: versions, processor, instruction sets, threads, how idle threads wait."""
    import torch

    from calibench.bench.peers import DISTRIBUTIONS
    from calibench.kernels import backend, extension_status
    from calibench.records.environment import machine, versions

    build = extension_status().build
    facts: dict[str, Any] = {
        **machine(threads, device),
        "kernels": backend(device),
        "instruction_sets": [] if build is None else list(build["instruction_sets_detected"]),
        "torch_instruction_set": torch.backends.cpu.get_cpu_capability(),
        "spin_count": os.environ.get("GOMP_SPINCOUNT"),
    }
    if device.startswith("cuda"):
        facts["gpu"] = torch.cuda.get_device_name(device)
    return {"versions": versions(DISTRIBUTIONS), "machine": facts}
