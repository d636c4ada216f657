"""Digests of the Python code that decides figures."""

from __future__ import annotations

import functools
import hashlib
import sys
from pathlib import Path

from calibench.config.grammar import Bound


def code_of(bound: Bound) -> str:
    """Digest of the Python sources of calibench and of the package that a plugin's target lives in.

    Edited code is then never taken for the old. The command line is left out: it decides no figure.
    """
    target = bound.spec.load()
    top = (getattr(target, "__module__", None) or bound.spec.target.partition(":")[0]).partition(".")[0]
    return _sources("calibench") + _sources(top)


@functools.cache
def _sources(package: str) -> str:
    return sources_of(package) or package


def sources_of(package: str) -> str | None:
    """Digest of the Python sources of an imported package or module; None where it has no file, as in a notebook."""
    file = getattr(sys.modules.get(package), "__file__", None)
    if file is None or not Path(file).is_file():
        return None
    root = Path(file)
    files = sorted(root.parent.rglob("*.py")) if root.name == "__init__.py" else [root]
    digest = hashlib.sha256()
    for path in files:
        if path.relative_to(root.parent).parts[0] != "cli":
            digest.update(str(path.relative_to(root.parent)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]
