"""A site shows runs that failed: in their rows, with the reason, also where a recipe has no record at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_entries import write_entries

from calibench.records.failed_cells import FILE, FailedCell, write_failed_file
from calibench.runs.site import write_site


@pytest.mark.slow
def test_failed_runs_stand_on_the_boards_and_have_no_page(tmp_path: Path) -> None:
    folder = write_entries(tmp_path / "mine")
    cells = [
        FailedCell("ce+temperature", "digits", "mlp", None, 2, "no <b>temperature</b>"),
        FailedCell("mixup", "digits", "mlp", None, 0, "the loss is NaN"),
    ]
    write_failed_file(folder / FILE, cells)
    write_site(tmp_path / "out", folder)
    (board,) = (tmp_path / "out").rglob("data/digits-*.html")
    text = board.read_text(encoding="utf-8")
    assert "temperature ✗" in text
    assert "seed 2 failed: no &lt;b&gt;temperature&lt;/b&gt;" in text
    assert "✗ mixup is not ranked: seed 0 failed: the loss is NaN" in text
    names = [path.name for path in (tmp_path / "out").rglob("recipes/*.html")]
    assert any("temperature" in name for name in names)
    assert not any("mixup" in name for name in names)
