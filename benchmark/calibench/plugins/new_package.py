"""The package that `calibench plugin new` writes, from the templates beside this file."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import importlib.util
import keyword
import re
import shutil
import sys
import tempfile
from pathlib import Path

from calibench.errors import InputError, RunError
from calibench.plugins.specs import NAME
from calibench.version import API_VERSION

TEMPLATES = Path(__file__).parent / "templates"

USES = {
    "method": "calibench run -m ce+{name}",
    "dataset": "calibench run -m ce -d {name}",
    "model": "calibench run -m ce --model {name}",
    "metric": "calibench run -m ce --metrics {name}",
    "noise": "calibench run -m ce --noise {name}",
    "shift": "calibench run -m ce --shift {name}",
    "reader": "calibench evaluate tests/example.{name}",
    "launcher": "calibench sweep quick-v1 --launcher {name}",
}
"""Each kind of example, and the command that uses it."""

LONGEST_NAME = 100
"""Characters of the name of a new plugin. Its files bear it, and systems allow names of 255 bytes."""

PREFIX = "calibench-"
"""A distribution `calibench-halve` offers `halve`."""


def write_package(name: str, kind: str, folder: Path | None = None) -> list[Path]:
    """Write a package for a plugin with one example of `kind`, whole or not at all; returns its files.

    `name` is that of the distribution, of its item, and of the folder unless `folder` is another. InputError for a name that is
    none, that is taken or that has over 100 characters, and for a folder that exists.
    """
    words = _words(name, kind)
    folder = Path(name) if folder is None else folder
    try:
        taken = folder.exists() or folder.is_symlink()
    except OSError as error:  # as for a name of over 255 bytes
        raise InputError(f"cannot write {folder}: {error.strerror or error}", "choose another folder") from None
    if taken:
        raise InputError(f"{folder} exists already", "name another folder with --output, or remove it")
    if not folder.absolute().parent.is_dir():
        raise InputError(f"the folder {folder.absolute().parent} does not exist", "make it first")
    texts = _texts(kind, words)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.absolute().parent))
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}", "choose another folder") from error
    try:
        for place, text in texts.items():
            path = temporary / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        temporary.chmod(0o755)
        temporary.rename(folder)
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}", "is the disk full?") from error
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(temporary)
    return [folder / place for place in texts]


def _texts(kind: str, words: dict[str, str]) -> dict[str, str]:
    """The text of every file, by its path in the package."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    package = f"src/{words['package']}"
    files = {
        "pyproject.toml": "package/pyproject.toml.jinja",
        "README.md": "package/README.md.jinja",
        "LICENSE": "package/LICENSE.jinja",
        ".gitignore": "package/gitignore.jinja",
        ".github/workflows/test.yml": "package/test.yml.jinja",
        f"{package}/__init__.py": "package/init.py.jinja",
        f"{package}/plugin.py": f"kinds/{kind}.plugin.py.jinja",
        f"tests/test_{words['package']}.py": f"kinds/{kind}.test.py.jinja",
    }
    if (TEMPLATES / f"kinds/{kind}.example.jinja").is_file():
        files[f"tests/example.{words['name']}"] = f"kinds/{kind}.example.jinja"
    texts = {place: environment.get_template(template).render(words) for place, template in files.items()}
    return texts | {f"{package}/py.typed": ""}


def _words(distribution: str, kind: str) -> dict[str, str]:
    """The words of the templates; InputError for a name that is none, and for one that is taken."""
    if len(distribution) > LONGEST_NAME:
        message = f"a name of {len(distribution)} characters is too long: {distribution[:40]!r}..."
        raise InputError(message, f"use at most {LONGEST_NAME} characters, as in my-method")
    if not NAME.match(distribution):
        plain = re.sub(r"[^a-z0-9]+", "-", distribution.lower()).strip("-")
        hint = f"as in {plain}" if NAME.match(plain) else "as in my-method"
        raise InputError(f"{distribution!r} is no name: lower-case letters, digits and single hyphens", hint)
    name, package = distribution.removeprefix(PREFIX), distribution.replace("-", "_")
    _refuse_taken(distribution, package, name, kind)
    return {
        "distribution": distribution,
        "package": package,
        "name": name,
        "class": "".join(part.capitalize() for part in re.split("[-_]", name)),
        "kind": kind,
        "api": API_VERSION,
        "use": USES[kind].format(name=name),
        "year": str(datetime.datetime.now(datetime.UTC).year),
    }


def _refuse_taken(distribution: str, package: str, name: str, kind: str) -> None:
    """InputError for a name that an item, a module or a distribution has."""
    from calibench.plugins.discovery import discover

    hint = f"choose another, as my-{name}"
    taken = discover(families=(kind,)).entries.get((kind, name))
    if taken is not None:
        owner = f"{taken.plugin.distribution} {taken.plugin.version}"
        raise InputError(f"there is a {kind} called {name!r} already, of {owner}", hint)
    if (
        keyword.iskeyword(package)
        or package in sys.stdlib_module_names
        or importlib.util.find_spec(package) is not None
    ):
        raise InputError(f"{package!r} is the name of a module or a word of Python", hint)
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        version = importlib.metadata.version(distribution)
        raise InputError(f"the distribution {distribution} {version} is installed", hint)
