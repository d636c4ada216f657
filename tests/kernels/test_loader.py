"""Loading the kernels: the choice of a backend, and a package without, with broken and with stale compiled files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import pytest
import torch
from kernel_backends import needs_fused
from kernel_package import copy_without_kernels, run_python

import calibench
from calibench import kernels
from calibench.errors import InputError

BUILD_COMMAND = "CALIBENCH_BUILD=cpu pip install --no-build-isolation -e ."


@needs_fused
def test_the_operator_checks_its_arguments() -> None:
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
    assert kernels.backend("cuda") == "fused-cuda"  # loaded and registered even if there is no GPU


def test_the_backend_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.slow
@needs_fused
def test_importing_the_kernels_loads_the_operators_silently() -> None:
    """Programs saved by torch.export need the operators."""
    process = subprocess.run(
        [sys.executable, "-c", "import calibench.kernels, torch; print(*dir(torch.ops.calibench))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stderr == ""
    assert set(kernels.OPS) <= set(process.stdout.split())


def test_the_signatures_are_those_of_the_library() -> None:
    """The operators of csrc/library.cpp are those of OPS and JUDGING_OPS."""
    source = Path(calibench.__file__).parents[2] / "csrc" / "library.cpp"
    if not source.exists():
        pytest.skip("not a checkout")
    text = " ".join(re.findall(r'"([^"]*)"', source.read_text(encoding="utf-8")))
    assert set(re.findall(r"(\w+)\(Tensor", text)) == {*kernels.OPS, *kernels.JUDGING_OPS}


def test_every_operator_has_a_cuda_kernel_in_the_sources() -> None:
    """A CPU kernel that is registered without a CUDA kernel of the same name fails here, without a GPU."""
    csrc = Path(calibench.__file__).parents[2] / "csrc"
    if not csrc.exists():
        pytest.skip("not a checkout")
    registered = {}
    for side in ("cpu", "cuda"):
        text = "".join(path.read_text(encoding="utf-8") for path in (csrc / side).glob("*.cpp"))
        registered[side] = set(re.findall(r'm\.impl\("(\w+)", (?:CALIBENCH|TORCH)_BOX', text))
    assert registered["cpu"] == registered["cuda"] == {*kernels.OPS, *kernels.JUDGING_OPS}


MODES = """
import json, os, warnings
import torch
from calibench import kernels
from calibench.errors import InputError

x, y = torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64)
outcomes = {"status": kernels.extension_status().error, "loaded": kernels.extension_status().loaded}
for mode in ("reference", "auto", "fused"):
    os.environ["CALIBENCH_BACKEND"] = mode
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for _ in range(2):
                assert kernels.calibration_stats(x, y).correct == 3
                assert kernels.softmax_threshold(x, 0.5).prediction.tolist() == [0, 0, 0]
            answer = kernels.backend()
        except InputError as error:
            answer = error.message
    outcomes[mode] = [answer, [f"{warning.category.__name__}: {warning.message}" for warning in caught]]

os.environ["CALIBENCH_BACKEND"] = "reference"

def spread(x):
    stats = kernels.calibration_stats(x * 2, y)
    return stats.confidence_sum.sum() + kernels.softmax_threshold(x, 0.5).confidence.sum()

class Spread(torch.nn.Module):
    def forward(self, x):
        return spread(x)

outcomes["compiled"] = bool(torch.compile(spread, backend="eager")(x) == spread(x))
try:
    torch.export.export(Spread(), (x,))
except RuntimeError as error:
    outcomes["export"] = str(error)
print(json.dumps(outcomes))
"""


@pytest.fixture(scope="module")
def without_kernels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The outcomes of MODES, in a process that imports a package without compiled files."""
    folder = tmp_path_factory.mktemp("package")
    copy_without_kernels(folder)
    process = run_python(MODES, path=folder)
    assert process.returncode == 0, process.stderr
    outcomes: dict[str, Any] = json.loads(process.stdout)
    return outcomes


@pytest.mark.slow
def test_without_the_extension_the_reference_serves_with_one_warning(without_kernels: dict[str, Any]) -> None:
    assert not without_kernels["loaded"]
    assert without_kernels["status"].startswith("no _ops*.so in ")
    backend, (warning,) = without_kernels["auto"]
    assert backend == "reference"
    assert warning.startswith("CalibenchWarning: ")
    assert BUILD_COMMAND in warning


@pytest.mark.slow
def test_a_forced_reference_warns_of_nothing(without_kernels: dict[str, Any]) -> None:
    assert without_kernels["reference"] == ["reference", []]


@pytest.mark.slow
def test_a_forced_but_missing_extension_is_an_error(without_kernels: dict[str, Any]) -> None:
    message, _ = without_kernels["fused"]
    assert message.startswith("CALIBENCH_BACKEND=fused, but the fused kernels are not available")


@pytest.mark.slow
def test_tracing_without_the_extension(without_kernels: dict[str, Any]) -> None:
    """torch cannot trace the reference: torch.compile runs it outside the graph, torch.export raises an error."""
    assert without_kernels["compiled"]
    assert f"torch.export needs them. To build them: {BUILD_COMMAND}" in without_kernels["export"]


USE_TWICE = """
import torch
from calibench import kernels
x, y = torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64)
for _ in range(2):
    assert kernels.calibration_stats(x, y).correct == 3
    assert kernels.softmax_threshold(x, 0.5).prediction.tolist() == [0, 0, 0]
print(kernels.backend(), kernels.extension_status().loaded, kernels.extension_status().error)
"""


def run_with_library(folder: Path, content: bytes, script: str) -> subprocess.CompletedProcess[str]:
    """Runs a script that imports a package whose library of operators has this content."""
    library = copy_without_kernels(folder) / f"_ops{EXTENSION_SUFFIXES[0]}"
    library.write_bytes(content)
    return run_python(script, path=folder)


@pytest.mark.slow
def test_a_broken_extension_is_reported_once(tmp_path: Path) -> None:
    process = run_with_library(tmp_path, b"not an ELF file", USE_TWICE)
    assert process.returncode == 0, process.stderr
    assert process.stderr.count("CalibenchWarning") == 1
    assert "does not load" in process.stderr


STALE_LIBRARY = """
import torch
library = torch.library.Library("calibench", "DEF")
samples = "Tensor scores, Tensor labels, int bins, bool from_probs, bool return_samples"
library.define(f"calibration_stats({samples}) -> (Tensor, Tensor, Tensor)")  # one output less than now
library.impl("calibration_stats", lambda *_: 1 / 0, "CPU")
library.define("nll_curve(Tensor logits, Tensor labels, Tensor log_temperatures) -> (Tensor, Tensor)")
library.impl("nll_curve", lambda x, y, u: (torch.full((3, len(u)), 7.0, dtype=torch.float64), u), "CPU")
torch.ops.load_library = lambda path: None
"""
"""Operators of another calibench: one has other outputs, one is up to date, the others are missing."""


@pytest.mark.slow
def test_a_stale_extension_serves_the_operators_that_fit(tmp_path: Path) -> None:
    script = STALE_LIBRARY + USE_TWICE + "print(kernels.nll_curve(x, y, [0.0]).nll_sum.item())"
    process = run_with_library(tmp_path, b"not loaded by the script", script)
    assert process.returncode == 0, process.stderr
    status, nll_sum = process.stdout.splitlines()
    assert status.startswith("reference True _ops")
    assert "is stale: rebuild it" in status
    for op in kernels.OPS:
        assert (op in status) == (op != "nll_curve")
    assert nll_sum == "7.0"
    assert process.stderr.count("CalibenchWarning") == 1
    assert "is stale: rebuild it" in process.stderr
    assert BUILD_COMMAND in process.stderr
