"""The process of a trial: `python -m calibench.plugins.trial_process WORDS` imports one plugin and calls its hooks."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from typing import Any

from calibench.plugins.discovery import discover
from calibench.plugins.hookspecs import GROUP
from calibench.plugins.one_off import file_points
from calibench.plugins.trial import HARM, REACHED_END


def main() -> None:
    """Import the plugin and call its hooks. What they raise is no matter here: `discover` says it where it is asked."""
    about = json.loads(sys.argv[1])
    sys.path[:] = about["path"]
    points: list[Any] = [point for point in file_points() if about["one_off"] and point.name == about["name"]]
    if not about["one_off"]:
        found = importlib.metadata.entry_points(group=GROUP)
        points = [point for point in found if (point.name, point.value) == (about["name"], about["module"])]
    limit, code = sys.getrecursionlimit(), REACHED_END
    discover(points)
    closed, lowered = HARM
    if sys.getrecursionlimit() < limit:
        code = lowered
    if not standard_open():
        code = closed
    os._exit(code)


def standard_open() -> bool:
    """True if standard input, output and error are open."""
    try:
        return all(os.fstat(descriptor) for descriptor in (0, 1, 2))
    except OSError:
        return False


if __name__ == "__main__":
    main()
