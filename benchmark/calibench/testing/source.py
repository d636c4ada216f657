"""The plugin that `calibench plugin check` is about: an installed one by its name, the folder of a package, or a Python file."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from calibench.errors import InputError, did_you_mean
from calibench.plugins.hookspecs import GROUP
from calibench.plugins.one_off import FilePoint, checked_file
from calibench.plugins.registry import FILES_VARIABLE

_UNSAFE = re.compile(r"[^A-Za-z0-9.]+")


@dataclass(frozen=True)
class Source:
    """A plugin by the name and module of its entry point, and the folders that `import` needs to find it."""

    name: str
    module: str
    paths: tuple[str, ...] = ()
    file: str = ""
    """The file of a one-off plugin."""
    folder: str = ""
    """The folder of its package, where a reader's example files are looked for."""
    distribution: str = ""
    version: str = "0"

    def activate(self) -> None:
        """Make the plugin part of this process's environment, and of its children's."""
        sys.path[:0] = self.paths
        if self.paths:
            before = os.environ.get("PYTHONPATH", "")
            os.environ["PYTHONPATH"] = os.pathsep.join([*self.paths, *([before] if before else [])])
        if self.file:
            os.environ[FILES_VARIABLE] = self.file

    def point(self) -> Any:
        """The entry point; its `load` imports the module."""
        if self.file:
            return FilePoint(Path(self.file))
        points = importlib.metadata.entry_points(group=GROUP)
        return next(point for point in points if (point.name, point.value) == (self.name, self.module))


def sources_of(target: str | Path | None) -> list[Source]:
    """The plugins of a name, a file, or a package's folder (None: the current one); InputError if there are none."""
    path = Path("." if target is None else target)
    if path.is_dir() and (target is None or "/" in str(target) or str(target) == "." or not _installed(str(target))):
        return _of_folder(path.resolve())
    if path.suffix == ".py":
        file = checked_file(path)
        return [Source(FilePoint(file).name, file.stem, file=str(file), folder=str(file.parent))]
    found = _installed(str(target))
    if not found:
        names = {point.name for point in importlib.metadata.entry_points(group=GROUP)}
        message = f"there is no plugin {str(target)!r}, and no such file or folder"
        raise InputError(message, did_you_mean(str(target), names))
    return found


def _installed(name: str) -> list[Source]:
    """The installed plugins of this name, or of the distribution of this name."""
    points = importlib.metadata.entry_points(group=GROUP)
    wanted = {point for point in points if point.name == name}
    wanted = wanted or {point for point in points if point.dist is not None and _same(point.dist.name, name)}
    return [Source(point.name, point.value) for point in sorted(wanted, key=lambda point: point.name)]


def _same(a: str, b: str) -> bool:
    return re.sub(r"[-_.]+", "-", a).lower() == re.sub(r"[-_.]+", "-", b).lower()


def _of_folder(folder: Path) -> list[Source]:
    """The plugins that the pyproject.toml of a folder declares."""
    hint = "calibench plugin new makes a package; name a folder with its pyproject.toml, a .py file, or an installed plugin"
    file = folder / "pyproject.toml"
    if not file.is_file():
        raise InputError(f"{folder} has no pyproject.toml", hint)
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
        points = dict(project.get("entry-points", {}).get(GROUP, {}))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {error}", "correct it") from None
    if not points or not all(isinstance(value, str) for value in points.values()):
        example = 'my-plugin = "my_module"'
        raise InputError(
            f"{file} declares no plugin", f"add [project.entry-points.{GROUP}] with a line such as {example}"
        )
    root = folder / "src" if (folder / "src").is_dir() else folder
    name, version = str(project.get("name", folder.name)), str(project.get("version", "0"))
    return [
        Source(point, module, (str(root),), folder=str(folder), distribution=name, version=version)
        for point, module in sorted(points.items())
    ]


@contextmanager
def as_installed(source: Source) -> Iterator[Source]:
    """The source with metadata as an installation of its folder would write them, in a temporary folder."""
    if not source.distribution:
        yield source
        return
    with TemporaryDirectory() as folder:
        info = Path(folder) / f"{_UNSAFE.sub('_', source.distribution)}-{_UNSAFE.sub('_', source.version)}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {source.distribution}\nVersion: {source.version}\n"
        (info / "METADATA").write_text(metadata, encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{source.name} = {source.module}\n", encoding="utf-8")
        yield replace(source, paths=(folder, *source.paths))
