"""The run that the tests of killed runs, full disks and damaged files disturb: `ce+temperature` on `features.npz`, in a moment."""

from __future__ import annotations

from pathlib import Path

RUN = (
    *("run", "-m", "ce+temperature", "-d", "npz:path=features.npz", "--model", "mlp:hidden=8", "--epochs", "2"),
    "--json",
)


def temporary_files(folder: Path) -> list[str]:
    """The files that a write left behind when it was cut off."""
    return [str(path) for path in folder.rglob("*.tmp")]
