"""Shared by the tests that run calibench in another process."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from calibench.plugins import discovery


def run(*command: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command without this process's PYTHONPATH and blocked plugins."""
    clean = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", discovery.BLOCK_VARIABLE}}
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, env=clean | env, capture_output=True, text=True, check=False, timeout=300)


def output(done: subprocess.CompletedProcess[str]) -> str:
    """Standard output of a command that succeeded."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
