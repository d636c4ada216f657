"""Builds the compiled kernels; everything else about the package is in pyproject.toml.

CALIBENCH_BUILD=auto (default)  CPU kernels, and CUDA ones where nvcc is found; what cannot be built is said in one line
                                and the install succeeds: the float64 reference takes over at run time
CALIBENCH_BUILD=cpu             CPU kernels; a failure is an error
CALIBENCH_BUILD=cuda            CPU and CUDA kernels; a failure is an error (no nvcc, for one)
CALIBENCH_BUILD=none            pure Python
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from setuptools import Extension, build_meta, setup
from setuptools.command.build_ext import build_ext as setuptools_build_ext
from setuptools.modified import newer_group

MODES = ("auto", "cpu", "cuda", "none")
MODE = os.environ.get("CALIBENCH_BUILD") or "auto"
if MODE not in MODES:
    raise SystemExit(f"calibench: CALIBENCH_BUILD={MODE} is not one of {', '.join(MODES)}")

BUILD_REQUIRES = ["torch>=2.10,<2.14", "ninja", "pybind11>=2.13", "numpy"]
HOW_TO_BUILD = "CALIBENCH_BUILD={} pip install --no-build-isolation -e ."
ABI_TARGET = "2.10"
# No -march=native: a wheel must run elsewhere. No contraction to FMA: a row must not depend on the compiler's mood.
CXX_FLAGS = ["-O3", "-g0", "-std=c++17", "-ffp-contract=off", "-fvisibility=hidden"]
CUDA_ARCHITECTURES = ["sm_80", "sm_90", "compute_90"]
NVCC_FLAGS = ["-O3", "-std=c++17", "--fmad=false", "--Werror", "all-warnings", "-Xcompiler", "-fPIC"]
NVCC_FLAGS += [f"-gencode=arch=compute_{arch[-2:]},code={arch}" for arch in CUDA_ARCHITECTURES]

PACKAGE = Path("benchmark") / "calibench"
CSRC = Path("csrc")
HEADERS = sorted(str(path) for path in CSRC.rglob("*.h"))
CPU_FILES = sorted(str(path) for folder in ("core", "cpu") for path in (CSRC / folder).glob("*.cpp"))
CPU_SOURCES = [str(CSRC / "library.cpp"), *CPU_FILES]
INSTRUCTION_SET = str(CSRC / "core" / "instruction_set.cpp")  # _C tells which one serves, without torch
CUDA_SOURCES = sorted(str(path) for path in CSRC.glob("cuda/*.cpp"))
KERNELS = sorted(CSRC.glob("cuda/*.cu"))


class BuildError(Exception):
    """Why the kernels, or their CUDA side, cannot be built."""


class Cuda:
    """The CUDA toolkit: torch's CUDAExtension refuses CPU builds of torch, so nvcc is called from here."""

    def __init__(self) -> None:
        homes = [os.environ.get("CUDA_HOME", ""), "/usr/local/cuda"]
        folders = [f"{homes[0]}/bin"] if homes[0] else []
        nvcc = shutil.which("nvcc", path=os.pathsep.join([*folders, os.environ.get("PATH", ""), f"{homes[1]}/bin"]))
        if nvcc is None:
            raise BuildError("nvcc is neither in $CUDA_HOME/bin nor on PATH nor in /usr/local/cuda/bin")
        self.nvcc = nvcc
        roots = [Path(home) for home in (homes[0], Path(nvcc).resolve().parent.parent, homes[1]) if home]
        self.include = _first([root / "include" for root in roots], "cuda_runtime_api.h")
        libraries = [root / name for root in roots for name in ("lib64", "lib", "targets/x86_64-linux/lib")]
        self.lib = _first(libraries, "libcudart_static.a")

    def version(self) -> str:
        text = subprocess.run([self.nvcc, "--version"], capture_output=True, text=True, check=False).stdout
        return text.rpartition("release ")[2].partition(",")[0]

    def compile(self, source: Path, folder: Path) -> str:
        """The object of one .cu; compiled again when it, a header or the command has changed."""
        target = folder / source.with_suffix(".cuda.o")
        command = [self.nvcc, *NVCC_FLAGS, "-c", str(source), "-o", str(target)]
        stamp = target.with_suffix(".command")
        known = stamp.read_text() if stamp.exists() else ""
        if known == " ".join(command) and not newer_group([str(source), *HEADERS], str(target)):
            return str(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        print(f"calibench: nvcc {source} for {', '.join(CUDA_ARCHITECTURES)}")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stdout + done.stderr)
            errors = [line for line in (done.stderr + done.stdout).splitlines() if "error" in line]
            raise BuildError(f"nvcc could not compile {source} ({errors[0] if errors else done.returncode})")
        stamp.write_text(" ".join(command))
        return str(target)

    def compile_all(self, folder: Path) -> list[str]:
        """The objects of every .cu, as many at a time as MAX_JOBS or the processors allow; the first failure is raised."""
        jobs = int(os.environ.get("MAX_JOBS") or 0) or os.cpu_count() or 1
        with ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(self.compile, source, folder) for source in KERNELS]
            done, rest = wait(futures, return_when=FIRST_EXCEPTION)
            for future in rest:
                future.cancel()
            for future in done:
                future.result()  # raises the failure
            return [future.result() for future in futures]

    def link_args(self) -> list[str]:
        culibos = ["-lculibos"] if (self.lib / "libculibos.a").exists() else []
        return [f"-L{self.lib}", "-lcudart_static", *culibos, "-ldl", "-lrt", "-lpthread"]


def _first(folders: list[Path], name: str) -> Path:
    for folder in folders:
        if (folder / name).exists():
            return folder
    raise BuildError(f"{name} is not in {', '.join(map(str, folders))}")


def extensions(version: str, folder: Path, cuda: Cuda | None) -> list[Extension]:
    """`calibench._ops` (torch's stable ABI, any Python) and `calibench._C` (pybind11, no torch)."""
    import pybind11
    from torch.utils.cpp_extension import include_paths, library_paths

    major, minor = (int(part) for part in ABI_TARGET.split("."))
    ops = Extension(
        "calibench._ops",
        sources=CPU_SOURCES + (CUDA_SOURCES if cuda else []),
        depends=HEADERS,
        include_dirs=[*include_paths(), *([str(cuda.include)] if cuda else [])],
        library_dirs=library_paths(),
        libraries=["c10", "torch_cpu"],
        define_macros=[("TORCH_TARGET_VERSION", f"0x{major:02x}{minor:02x}000000000000")],
        extra_compile_args=list(CXX_FLAGS),
        extra_objects=cuda.compile_all(folder) if cuda else [],
        extra_link_args=cuda.link_args() if cuda else [],
        py_limited_api=True,  # it holds no Python at all, so one .so serves every Python
        language="c++",
    )
    facts = {
        "FLAGS": " ".join(CXX_FLAGS),
        "CUDA_ARCHITECTURES": " ".join(CUDA_ARCHITECTURES) if cuda else "",
        "CUDA_VERSION": cuda.version() if cuda else "",
        "ABI_TARGET": ABI_TARGET,
        "BUILD_MODE": MODE,
        "VERSION": version,
    }
    info = Extension(
        "calibench._C",
        sources=[str(CSRC / "module.cpp"), INSTRUCTION_SET],
        include_dirs=[pybind11.get_include()],
        define_macros=[(f"CALIBENCH_{key}", f'"{value}"') for key, value in facts.items()]
        + [("CALIBENCH_CUDA", str(int(cuda is not None)))],
        extra_compile_args=list(CXX_FLAGS),
        language="c++",
    )
    return [ops, info]


def build_command() -> type[setuptools_build_ext]:
    """build_ext upon torch's BuildExtension (ninja, MAX_JOBS), or upon setuptools' own where torch is missing."""
    base: Any = setuptools_build_ext
    missing = ""
    try:
        from torch.utils.cpp_extension import BuildExtension as base  # noqa: N813
    except Exception as error:  # a broken torch raises anything from OSError to RuntimeError
        missing = f"torch cannot be imported while building ({error})"

    class BuildKernels(base):  # type: ignore[misc]
        def finalize_options(self) -> None:
            super().finalize_options()
            if self.editable_mode:  # setuptools would compile in a folder that it throws away
                self.build_temp = str(Path("build") / f"editable-{sys.implementation.cache_tag}")

        def run(self) -> None:
            why_no_cuda = ""
            if MODE in {"auto", "cuda"} and not missing:
                try:
                    return self._build(Cuda())
                except Exception as error:  # ninja, distutils and pybind11 raise what they like
                    why_no_cuda = _one_line(error)
                    if MODE == "cuda":
                        raise SystemExit(f"calibench: CALIBENCH_BUILD=cuda, but {why_no_cuda}") from error
            try:
                self._build(None)
            except Exception as error:
                if MODE == "cpu":
                    raise SystemExit(f"calibench: CALIBENCH_BUILD=cpu, but {_one_line(error)}") from error
                remove_compiled(Path(self.build_lib) / "calibench")
                if self.inplace:
                    remove_compiled(PACKAGE)
                how = HOW_TO_BUILD.format("cpu")
                _say(f"no compiled kernels: {_one_line(error)}; the float64 reference will be used. To build: {how}")
                return None
            if why_no_cuda and not why_no_cuda.startswith("nvcc is neither"):  # no toolkit is no failure
                how = HOW_TO_BUILD.format("cuda")
                _say(f"no CUDA kernels: {why_no_cuda}; CUDA tensors will use the float64 reference. To build: {how}")
            return None

        def _build(self, cuda: Cuda | None) -> None:
            if missing:
                raise BuildError(missing)
            compiler = (os.environ.get("CXX") or "c++").split()[0]
            if shutil.which(compiler) is None:  # asked first, because torch would print a warning of its own
                raise BuildError(f"there is no C++ compiler {compiler!r}")
            before = (self.compiler, self.inplace)
            try:
                version = self.distribution.get_version()
                self.extensions = self.distribution.ext_modules = extensions(version, Path(self.build_temp), cuda)
                # What finalize_options does for extensions that are known from the start: names and abi3 suffix.
                self.ext_map = {}
                for extension in self.extensions:
                    extension._full_name = extension.name
                    extension._links_to_dynamic = extension._needs_stub = False
                    self.ext_map[extension.name] = self.ext_map[extension.name.rpartition(".")[2]] = extension
                    extension._file_name = self.get_ext_filename(extension.name)
                super().run()
            except BaseException:
                self.extensions = self.distribution.ext_modules = []
                self.compiler, self.inplace = before
                raise

    return BuildKernels


def remove_compiled(package: Path) -> None:
    """An older build lying there would be packed or loaded although this one says that there is none."""
    for path in [*package.glob("_ops*.so"), *package.glob("_C*.so")]:
        path.unlink()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _say(line: str) -> None:
    print(f"calibench: {line}", file=sys.stderr, flush=True)


def arguments() -> dict[str, Any]:
    """What setup() gets: build requirements only when a frontend asks for them, torch only in commands that build."""
    if MODE == "none":
        if "editable_wheel" in sys.argv:
            remove_compiled(PACKAGE)
        return {}
    if build_meta.distutils.core.Distribution is build_meta.Distribution:
        # Inside get_requires_for_build_*: the frontend installs these. Elsewhere setuptools would fetch them itself.
        return {"setup_requires": BUILD_REQUIRES}
    # Placeholders make the wheel a platform wheel and put the sources into an sdist; build_ext replaces them.
    placeholders = [
        Extension("calibench._ops", [*CPU_SOURCES, *CUDA_SOURCES], depends=[*HEADERS, *map(str, KERNELS)]),
        Extension("calibench._C", [str(CSRC / "module.cpp"), INSTRUCTION_SET]),
    ]
    if {"egg_info", "dist_info", "sdist"} & set(sys.argv):
        return {"ext_modules": placeholders}
    # pip does not put the scripts of a venv that is not activated on PATH, and ninja is one.
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    return {"ext_modules": placeholders, "cmdclass": {"build_ext": build_command()}}


setup(**arguments())
