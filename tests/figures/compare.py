"""The figures of this tree beside those of another commit, on this machine: `make figures BASE=rev`.

Both trees use the compiled kernels of this one, and the entry points of the installed package. Ends with 1 if a figure differs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "perf"))

from exported import ExportError, export  # noqa: E402 - the folder of the gates


def figures_of(tree: Path) -> dict[str, Any]:
    """The figures of a checkout, by recipe."""
    command = [sys.executable, str(HERE / "figures.py"), str(tree)]
    done = subprocess.run(command, cwd=tempfile.gettempdir(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    figures: dict[str, Any] = json.loads(done.stdout)["figures"]
    return figures


def sources_of(commit: str, folder: Path) -> Path:
    """The Python sources of a commit, with this tree's compiled kernels beside them."""
    try:
        export(ROOT, commit, folder, "benchmark", "plugins")
    except ExportError as error:
        raise SystemExit(str(error)) from None
    for library in (ROOT / "benchmark" / "calibench").glob("*.so"):
        shutil.copy(library, folder / "benchmark" / "calibench")
    return folder


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """A line for each recipe whose record is not the same to the last bit. What only this tree has is no difference."""
    lines = []
    for name in before | after:
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if old is None or new is None:
            lines.append(f"{name}: only in {'the base' if new is None else 'this tree'}")
            continue
        changed = [_change(key, old[key], new.get(key)) for key in old if old[key] != new.get(key)]
        if changed:
            lines.append(f"{name}: {'; '.join(changed)}")
    return lines


def _change(key: str, old: Any, new: Any) -> str:
    """The figure before and after; the name alone of a field that is compared by its digest."""
    field = key.removeprefix("digest of ")
    return f"{key} {old} -> {new}" if field == key else field


def main() -> int:
    """Compare; 1 if a figure differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="HEAD", help="the commit to compare with")
    base = parser.parse_args().base
    with tempfile.TemporaryDirectory(prefix="calibench-figures-") as folder:
        before = figures_of(sources_of(base, Path(folder)))
    after = figures_of(ROOT)
    lines = differences(before, after)
    print(*lines, f"{len(after)} recipes, {len(lines)} with another record than {base}", sep=os.linesep)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
