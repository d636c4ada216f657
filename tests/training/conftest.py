"""For these tests: helper modules here and in the folder above, small data, and a single thread."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
pytest.register_assert_rewrite("short_runs")

from short_runs import blobs, scores, trainings, uneven_splits  # noqa: E402, F401 - fixtures


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread: None) -> None:
    """Tensors are tiny here: threads would only wait for each other, and a forked process must not find any."""


@pytest.fixture
def watch(install_plugin):
    """The `Watch` of the model `watched` and the objective `pair` in this test."""
    import watched

    install_plugin("watched")
    watched.watch.clear()
    return watched.watch
