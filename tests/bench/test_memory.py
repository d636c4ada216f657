"""Peak memory: temporaries are counted, our kernels hold no matrix, and contenders are measured in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from bench_toys import CPU

import calibench.kernels
from calibench.bench import memory
from calibench.bench.case import Case, Contender
from calibench.bench.ops import OPS

ROWS, CLASSES = 20_000, 64
MATRIX = ROWS * CLASSES * 4
"""Bytes of the logits."""

MEASURE = f"""
import json, numpy as np, torch
from calibench.bench.case import Case
from calibench.bench.memory import peak_extra
from calibench.bench.ops import OPS

def use_of(call):
    use = peak_extra(call)
    return use.extra_bytes, use.returned_bytes

kernels = {{}}
for op in OPS.values():
    case = Case(op, ({ROWS}, {CLASSES}), torch.float32, torch.device("cpu"))
    ours = case.contenders(peers=False)[1]
    inputs = case.inputs()
    ours.run(*case.inputs(case.warm_shape(ours)))
    kernels[op.name] = use_of(lambda: ours.run(*inputs))

x = torch.randn({ROWS}, {CLASSES})
torch.set_num_threads(2)
array = x.numpy()
calls = {{
    "none": lambda n: x[:n].sum(),
    "torch": lambda n: (x[:n] * 2).sum(),
    "numpy": lambda n: (array[:n] * 2).sum(),
    "freed": lambda n: torch.empty(n, {CLASSES}).fill_(1).mean(),
    "returned": lambda n: x[:n] * 2,
    "twice": lambda n: (x[:n] * 2, x[:n] + 1),
}}
for call in calls.values():
    call(256)
temporaries = {{name: use_of(lambda: call({ROWS})) for name, call in calls.items()}}
print(json.dumps({{"kernels": kernels, "temporaries": temporaries}}))
"""

needs_high_water_mark = pytest.mark.skipif(
    memory.peak_extra(lambda: None).extra_bytes is None, reason="this system does not reset VmHWM"
)


@pytest.fixture(scope="module")
def uses():
    """Extra and returned bytes of our kernels and of calls with temporaries, measured in a fresh process."""
    command = [sys.executable, "-c", MEASURE]
    process = subprocess.run(command, env=memory.child_environment(), capture_output=True, text=True, check=True)
    return json.loads(process.stdout.splitlines()[-1])


@pytest.mark.slow
@needs_high_water_mark
def test_a_temporary_as_large_as_the_logits_is_counted(uses):
    temporaries = uses["temporaries"]
    below, above = memory.resolution(2), 1 << 19  # code that a call loads counts too
    assert temporaries["none"][0] <= above
    for name, matrices in {"torch": 1, "numpy": 1, "freed": 1, "returned": 1, "twice": 2}.items():
        extra = temporaries[name][0]
        assert matrices * MATRIX - below <= extra <= matrices * MATRIX + above, (name, extra)
    assert {name: returned for name, (_, returned) in temporaries.items()} == {
        **dict.fromkeys(("none", "torch", "numpy", "freed"), 4),
        **{"returned": MATRIX, "twice": 2 * MATRIX},
    }


@pytest.mark.slow
@needs_high_water_mark
@pytest.mark.skipif(calibench.kernels.backend("cpu") == "reference", reason="the reference does hold blocks of [N, K]")
def test_no_kernel_of_ours_holds_a_matrix(uses):
    """O(N + K x bins): 20 000 x 64 float32 are 4.9 MiB; a call returns at most .3 MiB besides its [N, K] sets."""
    for name, (extra, returned) in uses["kernels"].items():
        assert extra - returned <= MATRIX // 4, name


@pytest.mark.slow
@needs_high_water_mark
@pytest.mark.usefixtures("one_thread")
def test_contenders_are_measured_in_another_process():
    case = Case(OPS["softmax_threshold"], (ROWS, CLASSES), torch.float32, CPU)
    eager, unknown = case.contenders(peers=False)[2], Contender("unheard of", print)
    uses = memory.measure(case, [eager, unknown])
    assert uses["torch eager"].extra_bytes >= MATRIX - memory.resolution(1)
    assert uses["torch eager"].returned_bytes == ROWS * (8 + 4)
    assert uses["unheard of"].extra_bytes is None
    assert "ended with 0" in uses["unheard of"].reason


def test_a_system_without_a_high_water_mark_is_a_reason(monkeypatch):
    def denied(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", denied)  # /proc/self/clear_refs
    use = memory.peak_extra(lambda: 1)
    assert use.extra_bytes is None
    assert use.reason == "this system does not reset its high-water mark (Permission denied)"
