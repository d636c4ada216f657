"""The package behind a tracker, or an error that says what to install."""

from __future__ import annotations

import importlib
from typing import Any

from calibench import InputError


def needed(module: str, extra: str) -> Any:
    """The module, imported now. InputError naming calibench's extra if it, or something that it imports, is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"--track {extra} needs the package {module.partition('.')[0]}, which cannot be imported: {error}"
        raise InputError(message, f'pip install "calibench[{extra}]"') from None
