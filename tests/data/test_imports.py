"""Modules of `calibench.data` that plugins import at their top load neither torch nor numpy."""

from __future__ import annotations

import subprocess
import sys

MODULES = ("arrays", "folder", "images", "noise", "numpy_files", "prepare", "published", "shift", "soft", "splits")


def test_modules_for_plugins_import_neither_torch_nor_numpy() -> None:
    imports = "; ".join(f"import calibench.data.{name}" for name in MODULES)
    code = f"import sys; {imports}; print(*{{'torch', 'numpy', 'scipy'}} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []
