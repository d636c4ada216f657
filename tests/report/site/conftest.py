"""The site of some entries of the committed board quick-v1, with a hostile name among them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from site_entries import write_entries

from calibench.runs.site import write_site


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder."""
    return write_entries(tmp_path_factory.mktemp("boards") / "some-board")


@pytest.fixture(scope="session")
def site(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the results."""
    out = tmp_path_factory.mktemp("out") / "site"
    write_site(out, results)
    return out
