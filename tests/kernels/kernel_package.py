"""A copy of the package without compiled kernels, and Python processes that import it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import calibench


def copy_without_kernels(folder: Path) -> Path:
    """Copies the package, without its compiled files, into `folder`; returns the copy."""
    ignore = shutil.ignore_patterns("*.so", "__pycache__")
    return Path(shutil.copytree(Path(calibench.__file__).parent, folder / "calibench", ignore=ignore))


def run_python(script: str, *arguments: str, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script in a fresh process that imports from `path` first."""
    command = [sys.executable, "-c", script, *arguments]
    env = {**os.environ, "PYTHONPATH": str(path), **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=300)
