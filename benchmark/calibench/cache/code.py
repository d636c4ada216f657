"""Digests of the Python code that decides figures: an edit of that code makes results stale, and no other edit does."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import sys
from collections.abc import Collection
from pathlib import Path

from calibench.config.grammar import Bound

PRESENTATION = frozenset(
    {
        *("__main__.py", "api.py", "bench", "cli", "integrations", "leaderboard", "maps", "metric_modules", "moved.py"),
        *("progress.py", "records", "report", "testing"),
    }
)
"""Rooms and modules of calibench that decide no figure of a run: they time, store, rank, show, map files, or check plugins."""

JUDGING = frozenset({"evaluation", "metrics", "runs"})
"""Rooms that decide the figures of a run, but no result of a stage (a trained network, features, logits)."""


def code_of(bound: Bound, *, judged: bool = False) -> str:
    """The digest of calibench's sources and of the package that a plugin's target lives in, 32 hexadecimal digits.

    Of calibench only the rooms that decide a stage's result count, and with `judged` also those that decide a run's figures.
    """
    target = bound.spec.load()
    package = (getattr(target, "__module__", None) or bound.spec.target.partition(":")[0]).partition(".")[0]
    left_out = PRESENTATION if judged else PRESENTATION | JUDGING
    return _sources("calibench", left_out) + _sources(package, left_out if package == "calibench" else frozenset())


def installed_code_of(targets: Collection[str]) -> str:
    """The digest of calibench's sources that decide a run's figures, and of the packages of plugins' `targets`. Imports nothing."""
    packages = sorted({"calibench", *(target.partition(":")[0].partition(".")[0] for target in targets)})
    found = []
    for package in packages:
        spec = importlib.util.find_spec(package)
        left_out = PRESENTATION if package == "calibench" else frozenset()
        found.append(f"{package} {_digest_of(spec.origin, left_out) if spec is not None else None}")
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


@functools.cache
def _sources(package: str, left_out: frozenset[str]) -> str:
    return sources_of(package, left_out) or package


def sources_of(package: str, left_out: Collection[str] = ()) -> str | None:
    """The digest of an imported package's or module's Python sources, 16 hexadecimal digits; None if it has no file.

    Files and folders beside the package's `__init__.py` that are named in `left_out` do not count.
    """
    return _digest_of(getattr(sys.modules.get(package), "__file__", None), left_out)


def _digest_of(file: str | None, left_out: Collection[str]) -> str | None:
    if file is None or not Path(file).is_file():
        return None
    root = Path(file)
    files = sorted(root.parent.rglob("*.py")) if root.name == "__init__.py" else [root]
    digest = hashlib.sha256()
    for path in files:
        name = path.relative_to(root.parent)
        if name.parts[0] not in left_out:
            digest.update(str(name).encode() + path.read_bytes())
    return digest.hexdigest()[:16]
