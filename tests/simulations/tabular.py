"""The recipes of the suite tabular-v1 on its 19 tables from a file, where OpenML cannot be reached: docs/evidence/tabular.md.

`python tests/simulations/tabular.py TABLES.npz FOLDER`; the file has `NAME__X [N, D]` and `NAME__y [N]` for each table. It writes
a suite of one seed into the folder, and sweeps it there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np

SUITE = Path(__file__).resolve().parents[2] / "leaderboards" / "suites" / "tabular-v1.toml"


def write_suite(tables: Path, folder: Path) -> Path:
    """The suite, and beside it a data set a table, of which `calibench` makes the splits."""
    protocol = tomllib.loads(SUITE.read_text(encoding="utf-8"))
    lines = [
        'summary = "The recipes of tabular-v1 on tables of a file."',
        f'primary = "{protocol["primary"]}"',
        f'base = "{protocol["base"]}"',
        "seed = [0]",
        f"method = {protocol['method']!r}",
    ]
    with np.load(tables) as content:
        names = sorted({name.partition("__")[0] for name in content.files})
        for name in names:
            np.savez(folder / f"{name}.npz", train_x=content[f"{name}__X"], train_y=content[f"{name}__y"])
            lines += [
                "",
                "[[data]]",
                f'dataset = "npz:path={name}.npz"',
                'model = "mlp"',
                'licence = "that of the file"',
            ]
    suite = folder / "tables-v1.toml"
    suite.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return suite


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tables", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", default="2")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    suite = write_suite(arguments.tables, arguments.folder)
    command = [sys.executable, "-m", "calibench", "sweep", suite.name, "--jobs", arguments.jobs, "--results", "results"]
    return subprocess.run(command, cwd=arguments.folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
