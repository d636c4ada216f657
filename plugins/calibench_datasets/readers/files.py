"""Reading whole files, and the errors for files that cannot be read."""

from __future__ import annotations

from pathlib import Path

from calibench import InputError

FETCH = "fetch the published file"
"""The hint for a file whose content is not the published one."""


def read_bytes(path: Path, where: str, hint: str) -> bytes:
    """The content of a file; InputError with `hint` if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable_file(path, where, error, hint) from None


def unreadable_file(path: Path, where: str, error: OSError, hint: str) -> InputError:
    """The error for a file or folder that the system does not let us read."""
    return InputError(f"{where}: cannot read {str(path)!r}: {error.strerror or error}", hint)


def damaged_file(path: Path, where: str, error: Exception) -> InputError:
    """The error for a published file that ends early or has wrong bytes."""
    message = f"{where}: {str(path)!r} is damaged or cut short: {error}"
    return InputError(message, "remove it and fetch the published file again")
