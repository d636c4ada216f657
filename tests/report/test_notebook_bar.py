"""Progress in a notebook: one display a cell, replaced in place; a real kernel shows the bar and the tables."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from calibench.report import notebook_bar as module
from calibench.report.notebook_bar import EMPTY, bar, notebook_bar
from calibench.report.progress_bar import bar_may_show, progress


class Display:
    """What one display of a cell has shown."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def update(self, content: dict[str, str], raw: bool) -> None:
        assert raw
        self.shown.append(content)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A fake IPython: `displays` are those that were opened, `shell.execution_count` is the number of the cell."""
    fake = SimpleNamespace(displays=[], shell=SimpleNamespace(execution_count=1))

    def display(content: dict[str, str], raw: bool, display_id: bool) -> Display:
        assert (raw, display_id, content) == (True, True, EMPTY)
        fake.displays.append(Display())
        return fake.displays[-1]

    ipython = SimpleNamespace(get_ipython=lambda: fake.shell, display=SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython", ipython)  # type: ignore[arg-type]
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr(module, "_displays", {})
    return fake


def test_runs_of_one_cell_share_a_display_which_ends_empty(notebook: SimpleNamespace, capsys: Any) -> None:
    assert bar_may_show()
    for number in range(3):
        with progress(f"[{number}/3] ce", silent=False) as report:
            for epoch in range(50):
                report("stage 1, ce", epoch, 50, "")
    (display,) = notebook.displays
    assert display.shown[-1] == EMPTY
    assert len(display.shown) == 6, "a quick run is one update, and the empty one"
    assert display.shown[0]["text/plain"] == "[0/3] ce: stage 1, ce  0/50"
    assert capsys.readouterr() == ("", "")
    notebook.shell.execution_count = 2
    with notebook_bar("x"):
        pass
    assert len(notebook.displays) == 2


def test_a_run_that_fails_empties_the_display(notebook: SimpleNamespace) -> None:
    with pytest.raises(ZeroDivisionError), notebook_bar("x") as report:
        report("stage 1", 1 // 0, 2, "")
    assert notebook.displays[0].shown[-1] == EMPTY


def test_words_are_escaped() -> None:
    shown = bar("<b>&", 2.5, 10, "val NLL 0.1")
    assert shown["text/html"] == (
        '<progress value="2.5" max="10"></progress> <code>&lt;b&gt;&amp;  2.5/10  val NLL 0.1</code>'
    )
    assert shown["text/plain"] == "<b>&  2.5/10  val NLL 0.1"


CELLS = (
    "import calibench",
    "records = calibench.run(['ce', 'ce+temperature'], dataset='iris', epochs=5, results='r')\nrecords[0]",
    "calibench.results('r')",
)


@pytest.mark.slow
def test_a_real_notebook(tmp_path: Path) -> None:
    for name in ("nbclient", "ipykernel"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    first, second, third = (cell.outputs for cell in notebook.cells)
    assert first == []
    assert [output.output_type for output in second] == ["display_data", "execute_result"]
    assert second[0].data["text/html"] == ""
    assert "<td" in second[1].data["text/html"]
    assert "2 runs" in third[0].data["text/html"]
