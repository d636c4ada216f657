"""The version of calibench's interface that a plugin states: `CALIBENCH_API = "1.0"` in the module of its hooks."""

from __future__ import annotations

import re
from typing import Any

from calibench.errors import PluginError
from calibench.version import API_VERSION

ATTRIBUTE = "CALIBENCH_API"
"""The name in a plugin's module."""

_VERSION = re.compile(r"(\d+)\.(\d+)\Z")


def wanted_api(module: Any) -> str:
    """The version that a plugin states, as it wrote it; empty if it states none.

    PluginError if this calibench does not have it: the major number must be the same, and the minor number at most ours.
    """
    try:
        wanted = getattr(module, ATTRIBUTE, None)
    except Exception:  # a module's own __getattr__
        wanted = None
    if wanted is None:
        return ""
    match = _VERSION.match(wanted) if isinstance(wanted, str) else None
    if match is None:
        raise PluginError(f"its {ATTRIBUTE} is {wanted!r}, not a text such as {API_VERSION!r}")
    major, minor = (int(number) for number in API_VERSION.split("."))
    if int(match[1]) == major and int(match[2]) <= minor:
        return str(wanted)
    remedy = "a newer calibench" if (int(match[1]), int(match[2])) > (major, minor) else "a newer version of the plugin"
    raise PluginError(
        f"it wants version {wanted} of calibench's API, and this calibench has {API_VERSION}: install {remedy}"
    )
