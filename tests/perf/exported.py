"""The files of a commit in a folder, by `git archive`: it registers no worktree, so nothing is left behind."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Python 3.11 before 3.11.4 has no filters; a commit of our own needs none."""


class ExportError(Exception):
    """git has no such commit, or there is no git repository."""


def export(root: Path, commit: str, folder: Path, *parts: str) -> None:
    """Write those of the files and folders `parts` that the commit has into `folder`."""
    done = subprocess.run(["git", "-C", str(root), "archive", commit], capture_output=True, check=False)
    if done.returncode:
        raise ExportError(f"git archive {commit} failed: {done.stderr.decode(errors='replace').strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        members = [member for member in archive.getmembers() if member.name.split("/")[0] in parts]
        archive.extractall(folder, members=members, **SAFELY)
