"""setup.py: the four modes, what a machine without a compiler gets, and that the CUDA source compiles.

Wheels are built from a copy of what the build needs, so that the working tree stays as it is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("setup.py", "pyproject.toml", "csrc", "benchmark", "plugins", "README.md", "LICENSE")
NVCC = shutil.which("nvcc", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/cuda/bin"]))

pytestmark = pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="needs the source tree, not only the package")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources without anything compiled."""
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


def wheel(tree: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """`pip wheel` without network or isolation, showing what setup.py prints."""
    command = [sys.executable, "-m", "pip", "wheel", "-v", "--no-index", "--no-build-isolation", "--no-deps"]
    command += ["-w", str(tree / "dist"), str(tree)]
    clean = {key: value for key, value in os.environ.items() if key not in {"CALIBENCH_BUILD", "CC", "CXX"}}
    return subprocess.run(command, env={**clean, **env}, capture_output=True, text=True, check=False)


def hide_torch(tree: Path) -> str:
    """A folder for PYTHONPATH in which importing torch fails."""
    (tree / "shadow").mkdir()
    (tree / "shadow" / "torch.py").write_text("raise ImportError('no torch in this environment')\n")
    return str(tree / "shadow")


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines that setup.py itself wrote about failures (`calibench: no ...`)."""
    return re.findall(r"calibench: (?:no |CALIBENCH_BUILD)[^\n]*", done.stdout + done.stderr)


def compiled(tree: Path) -> tuple[str, list[str]]:
    """The wheel's name, and the compiled files in it."""
    (path,) = (tree / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    assert "calibench/kernels/reference/__init__.py" in names
    return path.name, sorted(name for name in names if name.endswith((".so", ".o", ".cu", ".cpp", ".h")))


def test_an_unknown_mode_is_refused(tree: Path) -> None:
    done = wheel(tree, CALIBENCH_BUILD="bogus")
    assert done.returncode != 0
    assert set(said(done)) == {"calibench: CALIBENCH_BUILD=bogus is not one of auto, cpu, cuda, none"}


def test_none_is_a_pure_python_wheel(tree: Path) -> None:
    done = wheel(tree, CALIBENCH_BUILD="none", CXX="/nonexistent")
    assert done.returncode == 0, done.stderr
    assert said(done) == []
    name, files = compiled(tree)
    assert name.endswith("-py3-none-any.whl")
    assert files == []


def test_auto_without_a_compiler_says_one_line_and_succeeds(tree: Path) -> None:
    done = wheel(tree, CC="/nonexistent", CXX="/nonexistent", CUDA_HOME="/nonexistent")
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = said(done)
    assert "no C++ compiler '/nonexistent'; the float64 reference will be used" in line
    assert line.endswith("To build: CALIBENCH_BUILD=cpu pip install --no-build-isolation -e .")
    assert compiled(tree)[1] == []


def test_auto_without_torch_says_one_line_and_succeeds(tree: Path) -> None:
    done = wheel(tree, PYTHONPATH=hide_torch(tree))
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = said(done)
    assert "no torch in this environment" in line
    assert compiled(tree)[1] == []


def test_a_forced_mode_fails_clearly(tree: Path) -> None:
    why = "torch cannot be imported while building (no torch in this environment)"
    done = wheel(tree, CALIBENCH_BUILD="cpu", PYTHONPATH=hide_torch(tree))
    assert done.returncode != 0
    assert set(said(done)) == {f"calibench: CALIBENCH_BUILD=cpu, but {why}"}


def test_a_broken_cuda_source_leaves_the_cpu_kernels(tree: Path) -> None:
    if NVCC is None or shutil.which(os.environ.get("CXX", "c++")) is None:
        pytest.skip("needs nvcc and a C++ compiler")
    (tree / "csrc/cuda/calibration_stats.cu").write_text("this is no CUDA\n")
    (tree / "csrc/module.cpp").write_text("// pybind11 takes longer to compile than the kernels\n")
    done = wheel(tree)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = said(done)
    assert "no CUDA kernels: nvcc could not compile csrc/cuda/calibration_stats.cu" in line
    files = compiled(tree)[1]
    assert any(name.endswith("_ops.abi3.so") for name in files)


@pytest.mark.skipif(NVCC is None, reason="nvcc is neither on PATH nor in /usr/local/cuda/bin")
def test_the_cuda_source_compiles_without_torch(tmp_path: Path) -> None:
    assert NVCC is not None
    flags = ["-std=c++17", "-arch=sm_90", "--Werror", "all-warnings", "-c", "-o", str(tmp_path / "k.o")]
    source = ROOT / "csrc/cuda/fault.cu"  # the least of them: building the package compiles them all, as strictly
    done = subprocess.run([NVCC, *flags, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_requirements_are_asked_for_only_by_the_hook(tree: Path) -> None:
    ask = "from setuptools import build_meta; print('ASKED', build_meta.get_requires_for_build_wheel())"
    for mode, want in (("auto", "torch>=2.10,<2.14"), ("none", "ASKED []")):
        env = {**os.environ, "CALIBENCH_BUILD": mode}
        done = subprocess.run(
            [sys.executable, "-c", ask], cwd=tree, env=env, capture_output=True, text=True, check=False
        )
        assert want in done.stdout, done.stderr
    # Run directly, setuptools would fetch what setup_requires names: there must be nothing to fetch.
    done = subprocess.run(
        [sys.executable, "setup.py", "--version"],
        cwd=tree,
        env={**os.environ, "CALIBENCH_BUILD": "auto", "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "fetch_build_eggs" not in done.stderr
