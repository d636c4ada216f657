"""Which file is loaded and what it serves: the choice of a backend, stale and broken files, and none at all."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
import torch

import calibench
from calibench import kernels
from calibench.errors import InputError

PACKAGE = Path(calibench.__file__).parent

needs_fused = pytest.mark.skipif(
    not kernels.extension_status().ops, reason=f"not built: {kernels.extension_status().error}"
)

USE_TWICE = """
import torch
from calibench import kernels
x, y = torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64)
for _ in range(2):
    assert kernels.calibration_stats(x, y).correct == 3
    assert kernels.softmax_threshold(x, 0.5).prediction.tolist() == [0, 0, 0]
print(kernels.backend(), kernels.extension_status().loaded, kernels.extension_status().error)
"""


FROM_ANOTHER_CALIBENCH = """
import torch
library = torch.library.Library("calibench", "DEF")
samples = "Tensor scores, Tensor labels, int bins, bool from_probs, bool return_samples"
library.define(f"calibration_stats({samples}) -> (Tensor, Tensor, Tensor)")  # one output less than now
library.impl("calibration_stats", lambda *_: 1 / 0, "CPU")
library.define("nll_curve(Tensor logits, Tensor labels, Tensor log_temperatures) -> (Tensor, Tensor)")
library.impl("nll_curve", lambda x, y, u: (torch.full((3, len(u)), 7.0, dtype=torch.float64), u), "CPU")
torch.ops.load_library = lambda path: None
"""


def use_without_extension(
    tmp_path: Path, garbage: bytes | None = None, script: str = USE_TWICE, **env: str
) -> subprocess.CompletedProcess[str]:
    """USE_TWICE in a fresh process on a copy of the package without its compiled files (or with a broken one)."""
    copy = tmp_path / "calibench"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    if garbage is not None:
        (copy / f"_ops{EXTENSION_SUFFIXES[0]}").write_bytes(garbage)
    command = [sys.executable, "-c", script]
    return subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(tmp_path), **env}, capture_output=True, text=True, check=False
    )


@needs_fused
def test_the_operator_guards_itself() -> None:
    op = torch.ops.calibench.calibration_stats
    x, y = torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64)
    for args, message in (
        ((x[0], y, 15), "1 dimensions, not 2"),
        ((x, x, 15), "2 dimensions, not 1"),
        ((x[:, :0], y, 15), "no classes"),
        ((x, y[:2], 15), "3 rows of scores and 2 labels"),
        ((x, y, 0), "bins is 0"),
        ((x.int(), y, 15), "scores have type Int"),
        ((x, y.bool(), 15), "labels have type Bool"),
        ((x, y + 2, 15), "calibench: row 0: the label is 2, outside"),
    ):
        with pytest.raises(RuntimeError, match=message):
            op(*args, False, False)


@needs_fused
def test_one_library_serves_every_python_and_cpu_only_torch() -> None:
    status = kernels.extension_status()
    assert status.loaded
    assert status.error is None
    assert status.path is not None
    assert status.path.endswith(".abi3.so")
    info = kernels.build_info()
    assert info is not None
    assert info == status.build
    assert info["abi_target"] == "2.10"
    assert not {"-march=native", "-ffast-math"} & set(info["flags"])
    assert info["cuda"] == bool(status.cuda_ops)
    if not info["cuda"]:
        pytest.skip("built without nvcc, so that there is no CUDA side to load")
    assert info["cuda_architectures"] == ["sm_80", "sm_90", "compute_90"]
    assert kernels.backend("cuda") == "fused-cuda"  # registered, and loaded by this torch, GPU or not


@needs_fused
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_cuda_equals_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = torch.randn(5000, 10), torch.randint(0, 10, (5000,))
    fused = kernels.calibration_stats(x.cuda(), y.cuda())
    monkeypatch.setenv("CALIBENCH_BACKEND", "reference")
    for got, want in zip(fused, kernels.calibration_stats(x, y), strict=True):
        torch.testing.assert_close(got.cpu(), want, rtol=1e-12, atol=0)
    monkeypatch.setenv("CALIBENCH_BACKEND", "fused")
    y[77] = 10
    with pytest.raises(InputError, match="row 77: the label is 10"):
        kernels.calibration_stats(x.cuda(), y.cuda())


def test_the_backend_can_be_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALIBENCH_BACKEND", "reference")
    assert kernels.backend("cpu") == kernels.backend("cuda") == "reference"
    monkeypatch.setenv("CALIBENCH_BACKEND", "fussed")
    with pytest.raises(InputError, match="did you mean 'fused'"):
        kernels.backend()
    monkeypatch.setenv("CALIBENCH_BACKEND", "fused")
    with pytest.raises(InputError, match="no fused kernels for meta"):
        kernels.backend("meta")
    with pytest.raises(InputError, match=r"no_such_op has no cpu kernel|not available"):
        kernels.backend("cpu", "no_such_op")


@needs_fused
def test_every_operator_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CALIBENCH_BACKEND", raising=False)
    status = kernels.extension_status()
    assert status.stale == ()
    assert status.ops == tuple(kernels.OPS)
    assert {kernels.backend("cpu", op) for op in kernels.OPS} == {kernels.backend("cpu")} == {"fused-cpu"}
    assert status.instruction_set in status.instruction_sets
    assert "generic" in status.instruction_sets
    listed = subprocess.run(
        [sys.executable, "-c", "import calibench.kernels, torch; print(*dir(torch.ops.calibench))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stderr == ""  # loaded on import, so that programs saved by torch.export find their operators


def test_the_signatures_are_those_of_the_library() -> None:
    """Every operator of csrc/library.cpp is asked for here, and no other."""
    source = Path(calibench.__file__).parents[2] / "csrc" / "library.cpp"
    if not source.exists():
        pytest.skip("not a checkout")
    text = "".join(re.findall(r'"([^"]*)"', source.read_text(encoding="utf-8")))
    assert set(re.findall(r"(\w+)\(Tensor", text)) == set(kernels.OPS)


def test_without_the_extension_there_is_one_warning(tmp_path: Path) -> None:
    done = use_without_extension(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("reference False no _ops*.so in ")
    assert done.stderr.count("CalibenchWarning") == 1
    assert "CALIBENCH_BUILD=cpu pip install --no-build-isolation -e ." in done.stderr


def test_a_broken_extension_says_why(tmp_path: Path) -> None:
    done = use_without_extension(tmp_path, b"not an ELF file")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("CalibenchWarning") == 1
    assert "does not load" in done.stderr


def test_a_stale_extension_serves_what_still_fits(tmp_path: Path) -> None:
    """Built from another calibench: one operator has other outputs, one is as now, the rest is not there."""
    script = FROM_ANOTHER_CALIBENCH + USE_TWICE + "print(kernels.nll_curve(x, y, [0.0]).nll_sum.item())"
    done = use_without_extension(tmp_path, b"stands for it", script)
    assert done.returncode == 0, done.stderr
    said, served = done.stdout.splitlines()
    assert said.startswith("reference True _ops")
    assert "is stale: rebuild it" in said
    for op in kernels.OPS:
        assert (op in said) == (op != "nll_curve")
    assert served == "7.0"
    assert done.stderr.count("CalibenchWarning") == 1
    assert "is stale: rebuild it" in done.stderr
    assert "CALIBENCH_BUILD=cpu pip install --no-build-isolation -e ." in done.stderr


TRACE = """
import torch
from calibench import kernels
x, y = torch.randn(20, 3), torch.zeros(20, dtype=torch.int64)
def spread(x):
    stats = kernels.calibration_stats(x * 2, y)
    return stats.confidence_sum.sum() + kernels.softmax_threshold(x, 0.5).confidence.sum()
assert torch.compile(spread, backend="eager")(x) == spread(x)
class Spread(torch.nn.Module):
    def forward(self, x):
        return spread(x)
try:
    torch.export.export(Spread(), (x,))
except RuntimeError as error:
    print(error)
"""


def test_tracing_without_the_extension(tmp_path: Path) -> None:
    """The reference cannot be traced: torch.compile goes round it, torch.export says what is missing."""
    done = use_without_extension(tmp_path, script=TRACE, CALIBENCH_BACKEND="reference")
    assert done.returncode == 0, done.stderr
    assert "a graph can be exported with them only: CALIBENCH_BUILD=cpu pip install" in done.stdout


def test_forcing_what_is_missing_is_an_error(tmp_path: Path) -> None:
    done = use_without_extension(tmp_path, CALIBENCH_BACKEND="fused")
    assert done.returncode == 1
    assert "CALIBENCH_BACKEND=fused, but the fused kernels are not available" in done.stderr


def test_asking_for_the_reference_is_silent(tmp_path: Path) -> None:
    done = use_without_extension(tmp_path, CALIBENCH_BACKEND="reference")
    assert done.returncode == 0
    assert done.stderr == ""
