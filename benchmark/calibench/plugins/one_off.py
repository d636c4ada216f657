"""One-off plugins: a Python file with hooks, named by the user (`--plugin FILE.py`, `calibench.load_plugin`), not installed.

The files of a process stand in the environment variable `CALIBENCH_PLUGIN_FILES`, so that the workers of a sweep load them too.
Nothing is loaded from the current folder unless the user names it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from calibench.errors import InputError
from calibench.plugins.registry import FILES_VARIABLE, Plugin


class FilePoint:
    """The file of a one-off plugin in place of an entry point: its name and its module are the file's stem."""

    dist = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.stem.replace("_", "-")
        self.value = path.stem

    def describe(self) -> Plugin:
        """The file as its distribution, and the digest of its content, 12 hexadecimal digits, as its version."""
        try:
            version = hashlib.sha256(self.path.read_bytes()).hexdigest()[:12]
        except OSError:
            version = "unknown"
        return Plugin(self.name, self.path.name, version, self.value, one_off=True)

    def load(self) -> Any:
        """The file's module, imported under its stem."""
        install_finder()
        return importlib.import_module(self.value)


class _Finder:
    """Finds the modules of the files in `CALIBENCH_PLUGIN_FILES` by their stems."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for the stem of such a file, else None."""
        file = next((file for file in plugin_files() if file.stem == fullname), None)
        return None if file is None else importlib.util.spec_from_file_location(fullname, file)


def install_finder() -> None:
    """Let `import` find the modules of one-off plugins, before all others."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def plugin_files() -> list[Path]:
    """The files that this process and its workers load."""
    return [Path(text) for text in os.environ.get(FILES_VARIABLE, "").split(os.pathsep) if text]


def file_points() -> list[FilePoint]:
    """The one-off plugins of this process."""
    return [FilePoint(path) for path in plugin_files()]


def checked_file(path: str | Path) -> Path:
    """The absolute path of a file that can be a one-off plugin; InputError says why another cannot."""
    file = Path(path).expanduser().absolute()
    hint = "name a Python file with hooks, as in --plugin ./my_method.py"
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        package = "; install a package with pip install -e" if file.is_dir() else ""
        raise InputError(f"plugin {path} {what}", f"{hint}{package}")
    if file.suffix != ".py" or not file.stem.isidentifier():
        raise InputError(f"plugin {path}: its name is no module's, such as my_method.py", hint)
    if os.pathsep in str(file):
        raise InputError(f"plugin {path}: its path holds {os.pathsep!r}", "move it to a folder without it")
    other = _other_module(file)
    if other:
        raise InputError(f"plugin {path}: its name is that of the module {other}", "give the file another name")
    return file


def _other_module(file: Path) -> str:
    """The place of another module of this name, which the file would hide; empty if there is none."""
    name = file.stem
    if name in sys.stdlib_module_names:
        return f"{name} of Python"
    found = getattr(sys.modules.get(name), "__spec__", None)
    if found is None:
        from importlib.machinery import PathFinder

        found = PathFinder.find_spec(name)
    origin = getattr(found, "origin", None)
    if found is None or (origin is not None and Path(origin).exists() and Path(origin).samefile(file)):
        return ""
    return str(origin or name)
