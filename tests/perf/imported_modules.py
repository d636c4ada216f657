"""The modules that a command of calibench imports, counted in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PROBE = """
import json, sys
before = set(sys.modules)
from calibench.cli import main
sys.argv = ["calibench", *json.loads(sys.argv[1])]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print("\\n" + json.dumps(sorted(set(sys.modules) - before)))
"""


def imported_modules(command: Sequence[str], cwd: Path | None = None) -> list[str]:
    """Their names, sorted. AssertionError with what it printed if the command fails."""
    words = [sys.executable, "-c", PROBE, json.dumps(command)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd)
    assert ended.returncode == 0, ended.stderr
    names: list[str] = json.loads(ended.stdout.splitlines()[-1])
    return names
