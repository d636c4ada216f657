"""Pages of docs/explanation: each block of Python prints what stands below it."""

from __future__ import annotations

import pytest
from code_blocks import ROOT
from printed import outputs

PAGES = ["docs/explanation/ece.md", "docs/explanation/numbers.md"]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_what_its_blocks_print(page: str) -> None:
    found = outputs((ROOT / page).read_text(encoding="utf-8"))
    assert len(found) >= 3
    for code, shown, printed in found:
        assert printed == (shown or ""), f"run python tests/docs/printed.py {page}\n{code}"


def test_pages_that_show_output_are_tried() -> None:
    shown = {f"docs/explanation/{page.name}" for page in (ROOT / "docs" / "explanation").glob("*.md")}
    assert {page for page in shown if "```python" in (ROOT / page).read_text(encoding="utf-8")} == set(PAGES)
