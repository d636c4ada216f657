"""Start-up: what only looks imports nothing heavy. Modules are counted, since counts do not depend on the machine's load."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "scipy", "sklearn", "matplotlib", "safetensors", "pandas", "pyarrow"}
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


def modules_of(*args, cwd):
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(args)], capture_output=True, text=True, check=False, cwd=cwd
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def roots(modules):
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize(
    ("args", "most"),
    [
        (("--help",), 90),
        (("run", "--help"), 90),
        (("list", "methods"), 260),
        (("list", "metrics", "--json"), 190),
        (("show", "method", "vtst", "--json"), 190),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_looking_imports_little(args, most, tmp_path):
    modules = modules_of(*args, cwd=tmp_path)
    assert not roots(modules) & (HEAVY | {"numpy"})
    assert len(modules) <= most, modules


def test_importing_calibench_imports_nothing(tmp_path):
    probe = "import sys; import calibench; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert not roots(ended.stdout.split()) & (HEAVY | {"numpy", "rich", "click", "pluggy"})


@pytest.mark.parametrize("kind", ["table", "markdown", "csv", "json"])
def test_boards_import_no_torch(kind, cli, features, tmp_path):
    """Records become boards where torch is not installed; numpy and safetensors are enough."""
    run = ("run", "-m", "ce", "-m", "ce+temperature", "-d", "npz:path=features.npz", "--model", "frozen", "-q")
    assert cli(*run).code == 0
    modules = modules_of("leaderboard", "--format", kind, cwd=tmp_path)
    assert not roots(modules) & (HEAVY - {"safetensors"})
    assert len(modules) <= 320, len(modules)
