"""The trial of a stranger's plugin: its first import, in a process of its own, so that one that hangs or exits ends only that.

The result is kept in `~/.cache/calibench/plugins.json` under the sizes and times of the plugin's files: the next command imports it
at once. calibench's own plugins have no trial.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calibench.errors import InputError
from calibench.plugins.registry import Plugin

TRIAL_VARIABLE = "CALIBENCH_PROBE_PLUGINS"
"""`0` imports strangers' plugins without a trial."""

SECONDS_VARIABLE = "CALIBENCH_PLUGIN_SECONDS"
"""The seconds that an import and the hooks may take in a trial."""

SECONDS = 10.0

KEPT_SECONDS = 3600.0
"""So long a failure is believed; `calibench doctor` and `calibench plugin list` try again."""

MOST_KEPT = 500
"""Results that the file holds."""

REACHED_END = 77
"""The exit code of a trial that imported the plugin and called its hooks, whatever they raised."""

HARM = {
    78: "its import closes standard input, output or error",
    79: "its import lowers Python's recursion limit, so that other code fails",
}
"""What the plugin did to the process of the trial, by the exit code."""


def trouble(plugin: Plugin, again: bool) -> str:
    """Why importing the plugin would hurt this process: it hangs, or it exits; empty if it does not, or if it is ours.

    `again` tries a plugin that failed once more.
    """
    ours = plugin.distribution == "calibench"
    if ours or os.environ.get(TRIAL_VARIABLE) == "0" or plugin.module.partition(":")[0] in sys.modules:
        return ""
    key, file = _key(plugin), Path.home() / ".cache" / "calibench" / "plugins.json"
    results = _read(file)
    kept = results.get(key)
    if kept is not None and (not kept["why"] or (not again and 0 <= time.time() - kept["at"] < KEPT_SECONDS)):
        return str(kept["why"])
    why = _try(plugin)
    results[key] = {"why": why, "at": time.time()}
    _write(file, dict(list(results.items())[-MOST_KEPT:]))
    return why


def _try(plugin: Plugin) -> str:
    """Import the plugin and call its hooks in another process; the reason if that does not end well."""
    limit = _seconds()
    path = [str(folder) for folder in sys.path]
    words = json.dumps({"name": plugin.name, "module": plugin.module, "one_off": plugin.one_off, "path": path})
    try:
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "calibench.plugins.trial_process", words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {TRIAL_VARIABLE: "0"},
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it hangs: its import does not end within {limit:g} s ({SECONDS_VARIABLE} sets another limit)"
    except OSError:  # no process can be started: import it here
        return ""
    if ended.returncode == REACHED_END or ended.returncode in HARM:
        return HARM.get(ended.returncode, "")
    how = f"signal {-ended.returncode}" if ended.returncode < 0 else f"exit code {ended.returncode}"
    return f"it ends the whole process while it is imported, with {how}"


def _seconds() -> float:
    text = os.environ.get(SECONDS_VARIABLE, "")
    try:
        seconds = float(text) if text else SECONDS
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise InputError(f"{SECONDS_VARIABLE}={text} is no number of seconds", "as in 10")
    return seconds


def _key(plugin: Plugin) -> str:
    """The digest of the plugin's names, of this Python, and of the sizes and times of its files."""
    parts = [str(plugin), sys.version, *_files(plugin.module.partition(":")[0].partition(".")[0])]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _files(package: str) -> Iterator[str]:
    """Path, size and time of each Python file of a package or module, which is not imported."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return
    roots = [Path(folder) for folder in spec.submodule_search_locations or ()]
    files = [file for root in roots for file in sorted(root.rglob("*.py"))] or [Path(spec.origin or "")]
    for file in files:
        with contextlib.suppress(OSError):
            state = file.stat()
            yield f"{file} {state.st_size} {state.st_mtime_ns}"


def _read(file: Path) -> dict[str, Any]:
    """The results that are kept; none if the file cannot be read. One with a field of another type is left out."""
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {key: value for key, value in results.items() if _is_result(value)} if isinstance(results, dict) else {}


def _is_result(value: Any) -> bool:
    """True for a reason in words, with the time of its trial."""
    return isinstance(value, dict) and isinstance(value.get("why"), str) and type(value.get("at")) in {int, float}


def _write(file: Path, results: dict[str, Any]) -> None:
    """Keep the results, whole or not at all; where that cannot be, the next command tries again."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(results), encoding="utf-8")
        temporary.replace(file)
