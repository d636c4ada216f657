"""Runs test_cuda_judging.py without a GPU: `python cuda_on_host.py FOLDER [pytest arguments]`.

The CUDA operators of judging are compiled for the CPU in FOLDER, where every thread of a launch runs in turn: in rising order, or
in falling order with REVERSE=1. CXXFLAGS are further flags. This finds a wrong index, sum or check, but no race.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.cpp_extension import include_paths, library_paths

HERE = Path(__file__).parent
CSRC = HERE.parents[1] / "csrc"
KERNELS = (
    *("values.cu", "scan.cu", "class_units.cu", "class_table.cu", "class_gaps.cu", "class_errors.cu", "label_draws.cu"),
    *("resample.cu", "resample_risks.cu", "resample_groups.cu"),
    *("resample.cpp", "class_table.cpp", "class_gaps.cpp", "label_draws.cpp"),
)
FLAGS = ("-O1", "-std=c++17", "-ffp-contract=off", "-fPIC", "-fvisibility=hidden", "-Wno-unknown-pragmas")
NEED_TWO_DEVICES = (
    "test_tensors_on_two_devices_are_refused",
    "test_typed_functions_on_a_gpu",
    "test_counts_are_drawn_on_a_gpu",
)
TARGET = "-DTORCH_TARGET_VERSION=0x020a000000000000"


def build(folder: Path) -> Path:
    """Path of the library of the operators, under torch.ops.calibench_host; compiled if it is not there."""
    library = folder / "host_cuda.so"
    if library.exists():
        return library
    tree = shutil.copytree(CSRC, folder / "csrc")
    shutil.copytree(HERE / "host_cuda" / "overlay", tree / "cuda", dirs_exist_ok=True)
    sources = [tree / "library.cpp", *(tree / "cuda" / name for name in KERNELS)]
    for path in sources:
        text = path.read_text(encoding="utf-8").replace("(calibench, CUDA, m)", "(calibench_host, CPU, m)")
        path.write_text(text.replace("(calibench, m)", "(calibench_host, m)"), encoding="utf-8")
    compiler, more = os.environ.get("CXX", "c++"), os.environ.get("CXXFLAGS", "").split()
    includes = [f"-I{path}" for path in (HERE / "host_cuda", *include_paths())]
    objects = []
    for path in sources:
        objects.append(str(path.with_name(path.name + ".o")))
        command = [compiler, *FLAGS, *more, TARGET, *includes, "-x", "c++", "-c", str(path), "-o", objects[-1]]
        subprocess.run(command, check=True)
    links = [*(f"-L{path}" for path in library_paths()), "-lc10", "-ltorch_cpu"]
    subprocess.run([compiler, "-shared", *more, "-o", str(library), *objects, *links], check=True)
    return library


class LeftOut:
    """A plugin of pytest that leaves out the tests that need a GPU beside the CPU."""

    def pytest_collection_modifyitems(self, items: list[pytest.Function]) -> None:
        items[:] = [item for item in items if item.originalname not in NEED_TWO_DEVICES]


def main(folder: Path, *arguments: str) -> int:
    """The exit status of pytest."""
    sys.path.insert(0, str(HERE))
    import kernel_cuda

    import calibench.kernels  # noqa: F401 - the operators of the CPU

    torch.ops.load_library(build(folder))
    kernel_cuda.CUDA_ONLY[:] = [pytest.mark.usefixtures("fused")]
    kernel_cuda.OPS = torch.ops.calibench_host
    kernel_cuda.moved = lambda value: value
    options = ("-q", "-p", "no:cacheprovider", str(HERE / "test_cuda_judging.py"))
    return pytest.main([*options, *arguments], plugins=[LeftOut()])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
