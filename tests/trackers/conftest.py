"""For the tests of trackers: short runs, and one of every tracker that is installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "perf")]

from short_runs import blobs  # noqa: E402, F401 - a fixture


@pytest.fixture
def installed():
    """`installed("wandb")`: the module; the test is skipped where it is not installed."""

    def module(name: str, extra: str) -> None:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f'{name} is not installed: pip install "calibench[{extra}]"')

    return module
