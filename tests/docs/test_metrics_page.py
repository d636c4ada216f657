"""docs/reference/metrics.md is what its script writes."""

from __future__ import annotations

from metrics_page import PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python tests/docs/metrics_page.py"
