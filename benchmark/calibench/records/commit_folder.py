"""A folder of results as a commit holds it: `HEAD~3:leaderboards/digits`, read by git into a temporary folder."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from calibench.errors import InputError


def names_a_commit(text: str) -> bool:
    """True if `text` is `REVISION:FOLDER` and the repository of the current folder has that revision."""
    revision, colon, _ = text.partition(":")
    return bool(colon and revision) and bool(_object(f"{revision}^{{commit}}"))


@contextmanager
def folder_of_commit(text: str) -> Iterator[Path]:
    """The folder of `REVISION:FOLDER`, which is relative to the repository's root, as git has it; removed after the block.

    InputError if the commit has no such folder.
    """
    revision, _, folder = text.partition(":")
    place = folder.strip("/")
    tree = _object(f"{revision}^{{tree}}" if place in ("", ".") else f"{revision}:{place}")
    if not tree or _git("cat-file", "-t", tree) != "tree":
        hint = f"git ls-tree -d -r --name-only {revision} lists its folders"
        raise InputError(f"commit {revision!r} has no folder {folder!r}", hint)
    root = _git("rev-parse", "--show-toplevel")
    packed = subprocess.run(["git", "-C", root, "archive", "--format=tar", tree], capture_output=True, check=False)
    if packed.returncode:
        raise InputError(f"git cannot read {text!r}: {packed.stderr.decode(errors='replace').strip()}", "")
    with tempfile.TemporaryDirectory(prefix="calibench-commit-") as temporary:
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as content:
            content.extractall(temporary, filter="data")
        yield Path(temporary)


def _object(name: str) -> str:
    """The hash of an object of git; empty if there is none, and for what git would take for an option."""
    return "" if name.startswith("-") else _git("rev-parse", "--verify", "--quiet", name)


def _git(*words: str) -> str:
    """What git prints, without the line break; empty if it fails, or is not installed."""
    try:
        ended = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return ended.stdout.strip() if ended.returncode == 0 else ""
