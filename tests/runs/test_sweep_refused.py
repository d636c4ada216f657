"""A sweep whose launcher refuses all runs leaves nothing in the results folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calibench import InputError
from calibench.config.suite import load_suite
from calibench.runs.options import RunOptions
from calibench.runs.sweeps.cells import cells_of
from calibench.runs.sweeps.sweep import sweep


def refusing(*_: Any) -> Iterator[Any]:
    """As the launchers of calibench refuse: when they are asked for the first event."""
    raise InputError("there is no cluster", "start one")
    yield


def refusing_at_once(*_: Any) -> Iterator[Any]:
    raise InputError("there is no cluster", "start one")


@pytest.mark.parametrize("launch", [refusing, refusing_at_once])
def test_a_launcher_that_refuses_the_runs_leaves_no_folder(launch: Any, tmp_path: Path) -> None:
    suite, options = load_suite("quick-v1"), RunOptions(results=tmp_path / "new" / "results")
    cells = cells_of(list(suite.configs())[:3], options, 1)
    with pytest.raises(InputError, match="there is no cluster"):
        sweep(suite.name, cells, options, launch=launch)
    assert list(tmp_path.iterdir()) == []
