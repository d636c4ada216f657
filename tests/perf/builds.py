"""Builds the core's driver at two commits: the base commit from `git archive`, the head from the working tree.

Each tree is compiled by its own `csrc/perf/build.sh`, with the same compiler. A driver is stored in `build/perf/<digest>/`; the
digest covers everything that goes into it. So the second gate compiles nothing, and two commits with the same core share a
driver.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from exported import ExportError, export

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = Path("csrc/perf/build.sh")
NOT_THE_CORE = ("arrays", "cpu", "cuda", "door.h", "torch_door.h", "library.cpp", "module.cpp", "README.md")
UPSTREAMS = ("@{upstream}", "origin/HEAD", "origin/main", "origin/master")


class GuardError(Exception):
    """The comparison is impossible, and that is a failure: exit code 2."""


@dataclass(frozen=True)
class Base:
    """The commit to compare with, and how it was chosen; `commit` is None if there is none, and `why` is the reason."""

    commit: str | None
    why: str


@dataclass(frozen=True)
class Pair:
    """Two built drivers; `base` is None if there is no base, and `why` is the reason."""

    base: Path | None
    head: Path
    why: str

    def nothing_to_compare(self) -> str:
        """Why a comparison could find nothing; empty if the two drivers differ."""
        if self.base is None:
            return "there is nothing to compare with"
        if self.base == self.head:
            return "core, cases, flags and compiler are the same in both, and so is the driver built from them"
        return ""


def choose_base(root: Path = ROOT, environ: Mapping[str, str] | None = None) -> Base:
    """CALIBENCH_BASE, else the commit at which HEAD left the upstream branch, else HEAD's first parent."""
    revision = (os.environ if environ is None else environ).get("CALIBENCH_BASE", "")
    if revision:
        commit = git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        if not commit:
            raise GuardError(
                f"CALIBENCH_BASE={revision} is no commit of this clone (a shallow one? git fetch --unshallow)"
            )
        return Base(commit, f"CALIBENCH_BASE={revision}")
    head = git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if not head:
        return Base(None, "this is no git clone, or one without commits: there is no base commit")
    for upstream in UPSTREAMS:
        fork = git(root, "merge-base", "HEAD", upstream)
        if fork and fork != head:
            return Base(fork, f"merge base with {upstream}")
    parent = git(root, "rev-parse", "--verify", "--quiet", "HEAD~1")
    if parent:
        return Base(parent, "HEAD~1")
    if git(root, "rev-parse", "--is-shallow-repository") == "true":
        return Base(None, "this clone is shallow, so HEAD's parent is not in it (git fetch --deepen 1)")
    return Base(None, "HEAD is the first commit: there is no base")


def git(root: Path, *args: str) -> str:
    """The output of git, stripped; empty if git fails."""
    process = subprocess.run(["git", "-C", str(root), *args], capture_output=True, text=True, check=False)
    return process.stdout.strip() if process.returncode == 0 else ""


def build_pair(base: Base, root: Path = ROOT) -> Pair:
    """The drivers of the base and of the working tree."""
    if base.commit is None:
        return Pair(None, build(root, root), base.why)
    name = f"base {base.commit[:12]} ({base.why})"
    with exported(root, base.commit) as tree:
        if not (tree / SCRIPT).exists():
            return Pair(None, build(root, root), f"{name} has no {SCRIPT}: it is older than the guard")
        return Pair(build(tree, root), build(root, root), name)


@contextmanager
def exported(root: Path, commit: str) -> Iterator[Path]:
    """`csrc/` and `setup.py` of a commit in a temporary folder."""
    with TemporaryDirectory(prefix="calibench-base-") as folder:
        try:
            export(root, commit, Path(folder), "csrc", "setup.py")
        except ExportError as error:
            raise GuardError(str(error)) from None
        yield Path(folder)


def build(tree: Path, store: Path = ROOT, flags: Sequence[str] = ()) -> Path:
    """The driver of `tree`, with `flags` added to its own; GuardError with the compiler's output if it does not compile."""
    folder = store / "build" / "perf" / digest(tree, flags)
    driver = folder / "driver"
    if driver.exists():
        return driver
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f"driver.{os.getpid()}"
    command = ["sh", str(SCRIPT), str(new), *flags]
    process = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    if process.returncode:
        raise GuardError(f"the driver of {tree} does not compile:\n{(process.stdout + process.stderr)[-3000:]}")
    new.replace(driver)
    return driver


def digest(tree: Path, flags: Sequence[str] = ()) -> str:
    """Sixteen hex digits of the compiler, the flags, and every file of `csrc/` that the driver may include."""
    compiler = (os.environ.get("CXX") or "c++").split()
    version = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=False).stdout
    shipped = re.findall(r"^CXX_FLAGS = .*$", (tree / "setup.py").read_text(), re.MULTILINE)
    hasher = hashlib.sha256(repr((compiler, version, shipped, list(flags))).encode())
    for path in sorted((tree / "csrc").rglob("*")):
        name = path.relative_to(tree / "csrc")
        if path.is_file() and name.parts[0] not in NOT_THE_CORE:
            hasher.update(f"{name}\0{path.stat().st_size}\0".encode())
            hasher.update(path.read_bytes())
    return hasher.hexdigest()[:16]


def run_driver(driver: Path, *args: str, isa: str = "", prefix: Sequence[str] = (), cwd: Path | None = None) -> str:
    """The output of the driver, run in a fixed environment; GuardError if it fails."""
    env = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
    if isa:
        env["CALIBENCH_ISA"] = isa
    command = [*prefix, str(driver), *args]
    process = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    if process.returncode:
        output = (process.stdout + process.stderr)[-3000:]
        raise GuardError(f"{' '.join(command)} ended with {process.returncode}:\n{output}")
    return process.stdout
