"""Builds the compiled kernels; everything else about the package is in pyproject.toml.

CALIBENCH_BUILD=auto (default)  CPU kernels, and CUDA kernels if torch is a CUDA build and nvcc is found. If something
                                cannot be built, the install prints one line and succeeds: the float64 reference takes
                                over at run time. Without torch only the kernels for numpy arrays are built
CALIBENCH_BUILD=cpu             CPU kernels; a failure is an error
CALIBENCH_BUILD=cuda            CPU and CUDA kernels; a failure is an error (a missing nvcc too)
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
# No -march=native: a wheel must run on other machines. No contraction to FMA: compilers differ in where they contract.
CXX_FLAGS = ["-O3", "-g0", "-std=c++17", "-ffp-contract=off", "-fvisibility=hidden"]
CUDA_ARCHITECTURES = ["sm_80", "sm_90", "compute_90"]
NVCC_FLAGS = ["-O3", "-std=c++17", "--fmad=false", "--Werror", "all-warnings", "-Xcompiler", "-fPIC"]
NVCC_FLAGS += [f"-gencode=arch=compute_{arch[-2:]},code={arch}" for arch in CUDA_ARCHITECTURES]

PACKAGE = Path("benchmark") / "calibench"
CSRC = Path("csrc")
HEADERS = sorted(str(path) for path in CSRC.rglob("*.h"))
CORE_SOURCES = sorted(str(path) for path in CSRC.glob("core/*.cpp"))  # compiled once, linked into both extensions
OPERATOR_SOURCES = sorted(str(path) for path in CSRC.glob("cpu/*.cpp"))  # compiled once for each: csrc/door.h
CPU_SOURCES = [str(CSRC / "library.cpp"), *CORE_SOURCES, *OPERATOR_SOURCES]
ARRAY_SOURCES = [str(CSRC / "module.cpp"), *sorted(str(path) for path in CSRC.glob("arrays/*.cpp")), *OPERATOR_SOURCES]
CUDA_SOURCES = sorted(str(path) for path in CSRC.glob("cuda/*.cpp"))
KERNELS = sorted(CSRC.glob("cuda/*.cu"))


class BuildError(Exception):
    """The kernels, or their CUDA side, cannot be built."""


class NoToolkitError(BuildError):
    """There is no CUDA toolkit on this machine."""


class Cuda:
    """The CUDA toolkit. It calls nvcc itself, because torch's CUDAExtension refuses CPU builds of torch."""

    def __init__(self) -> None:
        home, default = os.environ.get("CUDA_HOME", ""), "/usr/local/cuda"
        folders = [f"{home}/bin"] if home else []
        nvcc = shutil.which("nvcc", path=os.pathsep.join([*folders, os.environ.get("PATH", ""), f"{default}/bin"]))
        if nvcc is None:
            raise NoToolkitError("nvcc is neither in $CUDA_HOME/bin nor on PATH nor in /usr/local/cuda/bin")
        self.nvcc = nvcc
        roots = [Path(root) for root in (home, Path(nvcc).resolve().parent.parent, default) if root]
        self.include = _folder_with("cuda_runtime_api.h", [root / "include" for root in roots])
        libraries = [root / name for root in roots for name in ("lib64", "lib", "targets/x86_64-linux/lib")]
        self.lib = _folder_with("libcudart_static.a", libraries)

    def version(self) -> str:
        text = subprocess.run([self.nvcc, "--version"], capture_output=True, text=True, check=False).stdout
        return text.rpartition("release ")[2].partition(",")[0]

    def compile(self, source: Path, folder: Path) -> str:
        """Path of the object of one .cu; compiles it if the source, a header or the command has changed."""
        target = folder / source.with_suffix(".cuda.o")
        command = [self.nvcc, *NVCC_FLAGS, "-c", str(source), "-o", str(target)]
        stamp = target.with_suffix(".command")
        last_command = stamp.read_text() if stamp.exists() else ""
        if last_command == " ".join(command) and not newer_group([str(source), *HEADERS], str(target)):
            return str(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        print(f"calibench: nvcc {source} for {', '.join(CUDA_ARCHITECTURES)}")
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        if process.returncode:
            print(process.stdout + process.stderr)
            errors = [line for line in (process.stderr + process.stdout).splitlines() if "error" in line]
            raise BuildError(f"nvcc could not compile {source} ({errors[0] if errors else process.returncode})")
        stamp.write_text(" ".join(command))
        return str(target)

    def compile_all(self, folder: Path) -> list[str]:
        """Paths of the objects of every .cu, compiled in MAX_JOBS processes (default: one per CPU).

        Raises the first failure.
        """
        jobs = int(os.environ.get("MAX_JOBS") or 0) or os.cpu_count() or 1
        with ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(self.compile, source, folder) for source in KERNELS]
            done, pending = wait(futures, return_when=FIRST_EXCEPTION)
            for future in pending:
                future.cancel()
            for future in done:
                future.result()  # raises the failure
            return [future.result() for future in futures]

    def link_args(self) -> list[str]:
        culibos = ["-lculibos"] if (self.lib / "libculibos.a").exists() else []
        return [f"-L{self.lib}", "-lcudart_static", *culibos, "-ldl", "-lrt", "-lpthread"]


def _folder_with(name: str, folders: list[Path]) -> Path:
    for folder in folders:
        if (folder / name).exists():
            return folder
    raise BuildError(f"{name} is not in {', '.join(map(str, folders))}")


def operators(folder: Path, cuda: Cuda | None) -> Extension:
    """`calibench._ops`, built on torch's stable ABI. It contains no Python, so one .so serves every Python."""
    from torch.utils.cpp_extension import include_paths, library_paths

    major, minor = (int(part) for part in ABI_TARGET.split("."))
    return Extension(
        "calibench._ops",
        sources=CPU_SOURCES + (CUDA_SOURCES if cuda else []),
        depends=HEADERS,
        include_dirs=[*include_paths(), *([str(cuda.include)] if cuda else [])],
        library_dirs=library_paths(),
        libraries=["c10", "torch_cpu"],
        define_macros=[("TORCH_TARGET_VERSION", f"0x{major:02x}{minor:02x}000000000000")],
        extra_compile_args=[*CXX_FLAGS, *_without_folders(*include_paths())],
        extra_objects=cuda.compile_all(folder) if cuda else [],
        extra_link_args=cuda.link_args() if cuda else [],
        py_limited_api=True,
        language="c++",
    )


def array_operators(version: str, cuda: Cuda | None, core: list[str]) -> Extension:
    """`calibench._C`: the CPU operators for numpy arrays, and how they were built (pybind11, no torch).

    `core` are objects of the core that `_ops` has left, so that it is compiled once; empty to compile it here.
    """
    import pybind11

    facts = {
        "FLAGS": " ".join(CXX_FLAGS),
        "CUDA_ARCHITECTURES": " ".join(CUDA_ARCHITECTURES) if cuda else "",
        "CUDA_VERSION": cuda.version() if cuda else "",
        "ABI_TARGET": ABI_TARGET,
        "BUILD_MODE": MODE,
        "VERSION": version,
    }
    macros = [(f"CALIBENCH_{key}", f'"{value}"') for key, value in facts.items()]
    macros += [("CALIBENCH_ARRAYS", None), ("CALIBENCH_CUDA", str(int(cuda is not None)))]
    return Extension(
        "calibench._C",
        sources=[*ARRAY_SOURCES, *([] if core else CORE_SOURCES)],
        depends=[*HEADERS, *CORE_SOURCES],
        include_dirs=[pybind11.get_include()],
        define_macros=macros,
        extra_compile_args=[*CXX_FLAGS, *_without_folders(pybind11.get_include())],
        extra_objects=core,
        extra_link_args=["-pthread"],
        language="c++",
    )


def _without_folders(*included: str) -> list[str]:
    """Flags that leave the folders of this build, which __FILE__ names, out of the objects: two builds give the same file."""
    return [f"-ffile-prefix-map={folder}/=" for folder in (*reversed(included), str(Path.cwd()))]


class KernelBuild:
    """Mixed into build_ext: builds the kernels of CALIBENCH_BUILD."""

    torch_problem = ""
    """Why torch cannot be imported; empty if it can."""

    def finalize_options(self) -> None:
        super().finalize_options()
        if self.editable_mode:  # setuptools would compile in a temporary folder and compile everything again next time
            self.build_temp = str(Path("build") / f"editable-{sys.implementation.cache_tag}")

    def run(self) -> None:
        if MODE == "auto":
            self._build_available()
            return
        error = self._attempt(with_cuda=MODE == "cuda")
        if error is not None:
            raise SystemExit(f"calibench: CALIBENCH_BUILD={MODE}, but {_one_line(error)}") from error

    def _build_available(self) -> None:
        """Builds CPU and CUDA kernels, or those for the CPU, or none, and prints what could not be built.

        CUDA kernels take ten minutes to build, and torch for the CPU never calls them: there they are built if asked for.
        Without torch it builds those for numpy arrays.
        """
        with_cuda = not self.torch_problem and _torch_has_cuda()
        cuda_error, error = None, self._attempt(with_cuda)
        if error is not None and with_cuda:
            cuda_error, error = error, self._attempt(with_cuda=False)
        reference = "the float64 reference will be used. To build"
        if error is not None:
            self._remove_compiled("_ops", "_C")
            _warn(f"no compiled kernels: {_one_line(error)}; {reference}: {HOW_TO_BUILD.format('cpu')}")
        elif self.torch_problem:
            self._remove_compiled("_ops")
            _warn(f"no kernels for tensors: {self.torch_problem}; {reference}: {HOW_TO_BUILD.format('cpu')}")
        elif cuda_error is not None and not isinstance(cuda_error, NoToolkitError):
            reference = "CUDA tensors will use the float64 reference. To build"
            _warn(f"no CUDA kernels: {_one_line(cuda_error)}; {reference}: {HOW_TO_BUILD.format('cuda')}")

    def _remove_compiled(self, *names: str) -> None:
        remove_compiled(Path(self.build_lib) / "calibench", *names)
        if self.inplace:
            remove_compiled(PACKAGE, *names)

    def _attempt(self, with_cuda: bool) -> Exception | None:
        """Builds; returns the error of a failed build."""
        try:
            self._build(with_cuda)
        except Exception as error:  # ninja, distutils and pybind11 raise errors of many types
            return error
        return None

    def _build(self, with_cuda: bool) -> None:
        if self.torch_problem and MODE != "auto":
            raise BuildError(self.torch_problem)
        compiler = (os.environ.get("CXX") or "c++").split()[0]
        if shutil.which(compiler) is None:  # checked here, because torch would print a warning of its own
            raise BuildError(f"there is no C++ compiler {compiler!r}")
        before = (self.compiler, self.inplace)
        try:
            cuda = Cuda() if with_cuda else None
            version = self.distribution.get_version()
            core = [str(Path(self.build_temp, source).with_suffix(".o")) for source in CORE_SOURCES]
            if self.torch_problem:
                self._set_extensions([array_operators(version, cuda, [])])
            else:
                self._set_extensions([operators(Path(self.build_temp), cuda), array_operators(version, cuda, core)])
            super().run()
        except BaseException:
            self.extensions = self.distribution.ext_modules = []
            self.compiler, self.inplace = before
            raise

    def build_extension(self, extension: Extension) -> None:
        """Compiles `_C` in a folder of its own: it shares source files with `_ops`, but no object of them."""
        folder = self.build_temp
        if extension.name == "calibench._C":
            self.build_temp = str(Path(folder) / "arrays")
        try:
            super().build_extension(extension)
        finally:
            self.build_temp = folder

    def _set_extensions(self, extensions: list[Extension]) -> None:
        """Registers the extensions as finalize_options does for those of setup(): names and abi3 suffix."""
        self.extensions = self.distribution.ext_modules = extensions
        self.ext_map = {}
        for extension in extensions:
            extension._full_name = extension.name
            extension._links_to_dynamic = extension._needs_stub = False
            self.ext_map[extension.name] = self.ext_map[extension.name.rpartition(".")[2]] = extension
            extension._file_name = self.get_ext_filename(extension.name)


def build_command() -> type[setuptools_build_ext]:
    """build_ext on top of torch's BuildExtension (ninja, MAX_JOBS), or of setuptools' own without torch."""
    base: type[setuptools_build_ext] = setuptools_build_ext
    problem = ""
    try:
        from torch.utils.cpp_extension import BuildExtension as base  # noqa: N813
    except Exception as error:  # a broken torch raises errors from OSError to RuntimeError
        problem = f"torch cannot be imported while building ({error})"
    return type("BuildKernels", (KernelBuild, base), {"torch_problem": problem})


def _torch_has_cuda() -> bool:
    import torch

    return torch.version.cuda is not None


def remove_compiled(package: Path, *names: str) -> None:
    """Removes files of an older build, which would be packed or loaded although this build does not have them."""
    for name in names:
        for path in package.glob(f"{name}*.so"):
            path.unlink()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _warn(line: str) -> None:
    print(f"calibench: {line}", file=sys.stderr, flush=True)


def arguments() -> dict[str, Any]:
    """Arguments of setup(): build requirements only if a frontend asks for them, torch only for commands that build."""
    if MODE == "none":
        if "editable_wheel" in sys.argv:
            remove_compiled(PACKAGE, "_ops", "_C")
        return {}
    if build_meta.distutils.core.Distribution is build_meta.Distribution:
        # Inside get_requires_for_build_*: the frontend installs these. Elsewhere setuptools would download them itself.
        return {"setup_requires": BUILD_REQUIRES}
    # Placeholders make the wheel a platform wheel and put the sources into an sdist; build_ext replaces them.
    placeholders = [
        Extension("calibench._ops", [*CPU_SOURCES, *CUDA_SOURCES], depends=[*HEADERS, *map(str, KERNELS)]),
        Extension("calibench._C", [*ARRAY_SOURCES, *CORE_SOURCES]),
    ]
    if {"egg_info", "dist_info", "sdist"} & set(sys.argv):
        return {"ext_modules": placeholders}
    # ninja is a script of the environment. pip does not put an environment's scripts on PATH unless it is activated.
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    return {"ext_modules": placeholders, "cmdclass": {"build_ext": build_command()}}


setup(**arguments())
