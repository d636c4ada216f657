"""The two-minute tour of an installed wheel, in fresh environments: no compiler on PATH, and no repository at hand."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

TORCH = ("2.10", "2.11", "2.12", "2.13")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")

LEFT_OUT = ("PYTHON", "CALIBENCH_", "VIRTUAL_ENV", "CC", "CXX", "LD_LIBRARY_PATH", "PATH")
"""Beginnings of the environment variables that an installed package must do without."""


class CheckError(Exception):
    """A check of the release that failed."""


@dataclass
class Report:
    """Checks that passed, that failed, and what could not be checked, in the order of the checks."""

    lines: list[str] = field(default_factory=list)
    failures: int = 0

    def add(self, mark: str, text: str) -> None:
        """Print a line now, and keep it."""
        self.lines.append(f"{mark:11} {text}")
        print(self.lines[-1], flush=True)
        self.failures += mark == "FAILED"


def run(*command: str | Path, cwd: Path | None = None, code: int = 0, **environment: str) -> str:
    """What a command prints; CheckError with its end unless its exit code is `code`."""
    words = [str(word) for word in command]
    env = {**os.environ, **environment}
    ended = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    output = ended.stdout + ended.stderr
    if ended.returncode != code:
        raise CheckError(f"{' '.join(words)}: exit code {ended.returncode}, not {code}\n{output[-3000:]}")
    return output


def pythons() -> dict[str, Path]:
    """The Pythons of this machine by minor version: those on PATH, and pyenv's."""
    found = {}
    for minor in PYTHONS:
        on_path = shutil.which(f"python{minor}")
        ours = sorted((Path.home() / ".pyenv" / "versions").glob(f"{minor}.*/bin/python"))
        for python in [*ours[-1:], *([Path(on_path)] if on_path else [])]:
            ended = subprocess.run([python, "-c", "import venv"], capture_output=True, check=False)
            if ended.returncode == 0:  # a shim of a Python that is not chosen ends with an error
                found[minor] = python
                break
    return found


class Environment:
    """A fresh virtual environment, with a folder of its own as the current one."""

    def __init__(self, python: Path, folder: Path) -> None:
        run(python, "-m", "venv", folder)
        self.folder, self.python = folder, folder / "bin" / "python"
        self.here = folder / "here"
        self.here.mkdir()

    def pip(self, *words: str | Path, **environment: str) -> str:
        """What pip prints."""
        return run(self.python, "-m", "pip", "--disable-pip-version-check", "-q", *words, cwd=self.here, **environment)

    def cpu_torch(self, release: str, index: str) -> str | None:
        """The version of torch's build for CPUs that pip finds for this Python; None if it finds none.

        Without the address of an index only packages on this machine's disk are considered: those of PyPI bring CUDA.
        """
        where = ["--index-url", index] if index else ["--no-index"]
        words = ["install", "--dry-run", "--no-deps", "--report", "-", f"torch=={release}.*", *where]
        try:
            version = json.loads(self.pip(*words).partition("\nWARNING")[0])["install"][0]["metadata"]["version"]
        except (CheckError, ValueError, LookupError):
            return None
        return str(version) if "+cpu" in version else None

    def calibench(self, *words: str, code: int = 0, says: str = "") -> str:
        """What the command prints, with nothing but the environment on PATH; CheckError unless it says `says`."""
        command = [str(self.python), "-m", "calibench", *words]
        env = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
        env |= {"PATH": str(self.folder / "bin"), "HOME": str(self.here), "COLUMNS": "200"}
        ended = subprocess.run(command, cwd=self.here, env=env, capture_output=True, text=True, check=False)
        output = ended.stdout + ended.stderr
        if ended.returncode != code or says not in output:
            wanted = f"exit code {ended.returncode}, wanted {code} and {says!r}"
            raise CheckError(f"calibench {' '.join(words)}: {wanted}\n{output[-3000:]}")
        return output


def write_outputs(file: Path, rows: int = 600) -> None:
    """A CSV of an over-confident model of three classes."""
    generator = random.Random(0)
    lines = ["p0,p1,p2,label"]
    for _ in range(rows):
        scores = [2.5 * generator.gauss(0, 1) for _ in range(3)]
        label = generator.choices(range(3), [math.exp(score / 2.5) for score in scores])[0]
        total = sum(map(math.exp, scores))
        lines.append(",".join(f"{math.exp(score) / total:.6f}" for score in scores) + f",{label}")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def tour(at: Environment, fitted: Path, torch: bool) -> float:
    """Run the tour; the seconds it took. `fitted` is a map that a tour with torch writes and one without it applies."""
    began = time.monotonic()
    write_outputs(at.here / "test.csv")
    at.calibench("--version", says="version")
    at.calibench("list", "methods", says="vtst")
    at.calibench("show", "method", "vtst", says="latent_dim")
    at.calibench("evaluate", "test.csv", says="over-confident")
    document = json.loads(at.calibench("doctor", "--json"))
    if document["kernels"]["cpu"] != "fused-cpu" or not document["healthy"]:
        raise CheckError(f"doctor: {document}")
    if torch:
        at.calibench("run", "-m", "ce", "-m", "ce+temperature", "-m", "vtst", "-s", "0", says="fused-cpu")
        at.calibench("leaderboard", says="ce+temperature")
        at.calibench("fit", "test.csv", "-o", "map.json")
        shutil.copy(at.here / "map.json", fitted)
    else:
        at.calibench("run", "-m", "ce", code=2, says="--index-url https://download.pytorch.org/whl/cpu")
    if fitted.exists():
        at.calibench("apply", str(fitted), "test.csv", "-o", "fixed.csv")
        at.calibench("gate", "fixed.csv", "--max", "ece15=0.2", says="holds: ece15")
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit("run release_check.py")
