"""setup.py: the four modes, a machine without a compiler or without torch, and a CUDA source that does not compile.

Wheels are built from a copy of the files that a build needs, so that the working tree stays unchanged.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

import calibench

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("setup.py", "pyproject.toml", "csrc", "benchmark", "plugins", "README.md", "LICENSE")
NVCC = shutil.which("nvcc", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/cuda/bin"]))

needs_compiler = pytest.mark.skipif(shutil.which(os.environ.get("CXX", "c++")) is None, reason="needs c++")

pytestmark = [
    pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="needs the source tree, not only the package"),
    pytest.mark.slow,  # each test starts pip, which takes a second
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources without compiled files."""
    copy = tmp_path / "tree"
    copy.mkdir()
    ignore = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=ignore)
        elif source.exists():
            shutil.copy(source, copy / name)
    return copy


def build_wheel(tree: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `pip wheel` without network and isolation, with the output of setup.py."""
    command = [sys.executable, "-m", "pip", "wheel", "-v", "--no-index", "--no-build-isolation", "--no-deps"]
    command += ["-w", str(tree / "dist"), str(tree)]
    inherited = {key: value for key, value in os.environ.items() if key not in {"CALIBENCH_BUILD", "CC", "CXX"}}
    return subprocess.run(command, env={**inherited, **environment}, capture_output=True, text=True, check=False)


def hide_torch(tree: Path) -> str:
    """A folder for PYTHONPATH that makes `import torch` fail."""
    (tree / "shadow").mkdir()
    (tree / "shadow" / "torch.py").write_text("raise ImportError('no torch in this environment')\n")
    return str(tree / "shadow")


PRETEND = """
import importlib.util, pathlib, sys
found = importlib.util.find_spec("torch")
if found is not None:
    spec = importlib.util.spec_from_file_location("torch.version", pathlib.Path(found.origin).with_name("version.py"))
    sys.modules["torch.version"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.cuda = {cuda!r}
"""


def pretend(tree: Path, cuda: str | None) -> str:
    """A folder for PYTHONPATH with which torch is a build for CUDA, or for CPUs if `cuda` is None."""
    (tree / "pretend").mkdir()
    (tree / "pretend" / "sitecustomize.py").write_text(PRETEND.format(cuda=cuda))
    return str(tree / "pretend")


def empty_sources(tree: Path) -> None:
    """Leaves nothing to compile in every source."""
    for source in [*tree.glob("csrc/**/*.cpp"), *tree.glob("csrc/**/*.cu")]:
        source.write_text("")


def failures(process: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines of setup.py about failures: `calibench: no ...`, `calibench: CALIBENCH_BUILD...`."""
    return re.findall(r"calibench: (?:no |CALIBENCH_BUILD)[^\n]*", process.stdout + process.stderr)


def contents(tree: Path) -> tuple[str, list[str]]:
    """The wheel's name, and the compiled files and sources in it."""
    (path,) = (tree / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    assert "calibench/kernels/reference/__init__.py" in names
    assert {f"calibench/report/site/templates/{name}" for name in ("base.html", "site.css", "site.js")} <= set(names)
    kit = tree / "benchmark" / "calibench" / "plugins" / "templates"
    assert {f"calibench/plugins/templates/{path.relative_to(kit)}" for path in kit.rglob("*.jinja")} <= set(names)
    return path.name, sorted(name for name in names if name.endswith((".so", ".o", ".cu", ".cpp", ".h")))


def read_metadata(tree: Path) -> Message:
    """The METADATA of the wheel, which has the licence beside it."""
    (path,) = (tree / "dist").glob("*.whl")
    folder = f"calibench-{calibench.__version__}.dist-info"
    with zipfile.ZipFile(path) as archive:
        assert f"{folder}/licenses/LICENSE" in archive.namelist()
        return message_from_bytes(archive.read(f"{folder}/METADATA"))


def test_an_unknown_mode_is_refused(tree: Path) -> None:
    process = build_wheel(tree, CALIBENCH_BUILD="bogus")
    assert process.returncode != 0
    assert set(failures(process)) == {"calibench: CALIBENCH_BUILD=bogus is not one of auto, cpu, cuda, none"}


def test_mode_none_makes_a_pure_python_wheel(tree: Path) -> None:
    process = build_wheel(tree, CALIBENCH_BUILD="none", CXX="/nonexistent")
    assert process.returncode == 0, process.stderr
    assert failures(process) == []
    name, files = contents(tree)
    assert name.endswith("-py3-none-any.whl")
    assert files == []
    metadata = read_metadata(tree)
    assert metadata["Version"] == calibench.__version__
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert not [line for line in required if line.startswith("torch")], "on Linux it brings 5 GB of CUDA"
    assert metadata["License-Expression"] == "Apache-2.0"


def test_mode_auto_without_a_compiler_prints_one_line_and_succeeds(tree: Path) -> None:
    process = build_wheel(tree, CC="/nonexistent", CXX="/nonexistent", CUDA_HOME="/nonexistent")
    assert process.returncode == 0, process.stdout + process.stderr
    (line,) = failures(process)
    assert "no C++ compiler '/nonexistent'; the float64 reference will be used" in line
    assert line.endswith("To build: CALIBENCH_BUILD=cpu pip install --no-build-isolation -e .")
    assert contents(tree)[1] == []


@needs_compiler
def test_mode_auto_without_torch_builds_the_kernels_for_numpy_and_prints_one_line(tree: Path) -> None:
    empty_sources(tree)
    process = build_wheel(tree, PYTHONPATH=hide_torch(tree))
    assert process.returncode == 0, process.stdout + process.stderr
    (line,) = failures(process)
    assert "no kernels for tensors: torch cannot be imported while building (no torch in this environment)" in line
    (file,) = contents(tree)[1]
    assert file.startswith("calibench/_C.cpython-")


def test_mode_auto_without_torch_and_without_a_compiler_prints_one_line(tree: Path) -> None:
    process = build_wheel(tree, PYTHONPATH=hide_torch(tree), CC="/nonexistent", CXX="/nonexistent")
    assert process.returncode == 0, process.stdout + process.stderr
    (line,) = failures(process)
    assert "no C++ compiler '/nonexistent'; the float64 reference will be used" in line
    assert contents(tree)[1] == []


@needs_compiler
def test_the_core_is_compiled_once_and_the_operators_for_each_door(tree: Path) -> None:
    """Objects of one source for two doors lie in two folders, so that a build does not compile them again in turn.

    torch for CPUs never calls CUDA kernels, so nvcc, which takes ten minutes, is left alone though it is there.
    """
    empty_sources(tree)
    nvcc = tree / "toolkit" / "bin" / "nvcc"
    nvcc.parent.mkdir(parents=True)
    nvcc.write_text(f"#!/bin/sh\ntouch {tree}/called\nexit 1\n")
    nvcc.chmod(0o755)
    process = build_wheel(tree, CUDA_HOME=str(nvcc.parents[1]), PYTHONPATH=pretend(tree, cuda=None))
    assert process.returncode == 0, process.stdout + process.stderr
    assert not (tree / "called").exists()
    assert failures(process) == []
    arrays, tensors = contents(tree)[1]
    assert arrays.startswith("calibench/_C.cpython-")
    assert tensors == "calibench/_ops.abi3.so"
    objects = sorted(path.relative_to(tree / "build") for path in (tree / "build").rglob("*.o"))
    names = [path.name for path in objects]
    for source in (tree / "csrc" / "core").glob("*.cpp"):
        assert names.count(f"{source.stem}.o") == 1
    for source in (tree / "csrc" / "cpu").glob("*.cpp"):
        assert names.count(f"{source.stem}.o") == 2


@pytest.mark.parametrize("mode", ["cpu", "cuda"])
def test_a_forced_mode_without_torch_is_an_error(tree: Path, mode: str) -> None:
    process = build_wheel(tree, CALIBENCH_BUILD=mode, PYTHONPATH=hide_torch(tree))
    assert process.returncode != 0
    problem = "torch cannot be imported while building (no torch in this environment)"
    assert set(failures(process)) == {f"calibench: CALIBENCH_BUILD={mode}, but {problem}"}


@pytest.mark.skipif(NVCC is None, reason="nvcc is neither on PATH nor in /usr/local/cuda/bin")
@needs_compiler
def test_a_broken_cuda_source_leaves_the_cpu_kernels(tree: Path) -> None:
    """Every source but the broken one is empty: this test is about the order of the builds, not about the kernels."""
    empty_sources(tree)
    (tree / "csrc/cuda/calibration_stats.cu").write_text("this is no CUDA\n")
    process = build_wheel(tree, PYTHONPATH=pretend(tree, cuda="13.0"))
    assert process.returncode == 0, process.stdout + process.stderr
    (line,) = failures(process)
    assert "no CUDA kernels: nvcc could not compile csrc/cuda/calibration_stats.cu" in line
    assert any(name.endswith("_ops.abi3.so") for name in contents(tree)[1])


@pytest.mark.skipif(NVCC is None, reason="nvcc is neither on PATH nor in /usr/local/cuda/bin")
def test_the_cuda_sources_need_no_torch(tmp_path: Path) -> None:
    assert NVCC is not None
    flags = ["-std=c++17", "-arch=sm_90", "--Werror", "all-warnings", "-c", "-o", str(tmp_path / "k.o")]
    source = ROOT / "csrc/cuda/fault.cu"  # the smallest: installing the package compiles all of them as strictly
    process = subprocess.run([NVCC, *flags, str(source)], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize(("mode", "requirements"), [("auto", "torch>=2.10,<2.14"), ("none", "REQUIRED []")])
def test_the_hook_asks_for_the_build_requirements(tree: Path, mode: str, requirements: str) -> None:
    script = "from setuptools import build_meta; print('REQUIRED', build_meta.get_requires_for_build_wheel())"
    assert requirements in run_in(tree, "-c", script, CALIBENCH_BUILD=mode).stdout


def test_setup_py_itself_downloads_nothing(tree: Path) -> None:
    """Without the hook setuptools would download the distributions of `setup_requires`, so there must be none."""
    process = run_in(tree, "setup.py", "--version", CALIBENCH_BUILD="auto", PIP_NO_INDEX="1")
    assert "fetch_build_eggs" not in process.stderr


def run_in(tree: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command, env = [sys.executable, *arguments], {**os.environ, **environment}
    process = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return process
