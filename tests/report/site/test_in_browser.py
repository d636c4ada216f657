"""The pages in headless Chromium: sorting, filtering, themes, state in the address, no request, and no fault that axe finds."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from site_entries import HOSTILE

from calibench.leaderboard.boards import Board
from calibench.leaderboard.change import Change
from calibench.leaderboard.rows import Cell, Row
from calibench.report.board_html import boards_html

playwright = pytest.importorskip(
    "playwright.sync_api", reason='pages are tried in a browser: pip install "calibench[test]"'
)
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium"),
]

VALUES = "rows => rows.map((row) => row.lastElementChild.dataset.v)"
"""What the last cells of rows are sorted by."""

PAGES = ["index.html", "some-board/index.html", "some-board/data/digits-mlp-a22583.html", "some-board/recipes/ce.html"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any, site: Path) -> Iterator[Any]:
    """Opens a page of the site; the test fails if it asks for anything but files, or prints to the console."""
    contexts, faults = [], []

    def open_page(address: str, file: Path | None = None, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on(
            "request",
            lambda request: faults.append(request.url) if not request.url.startswith(("file:", "data:")) else None,
        )
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        path, _, state = address.partition("#")
        page.goto((file or site / path).as_uri() + (f"#{state}" if state else ""))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def recipes(page: Any, table: str = "#all") -> list[str]:
    """The names of the rows of a table that are seen."""
    return page.locator(f"{table} tbody tr:visible th").all_inner_texts()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("address", PAGES)
def test_axe_finds_no_serious_fault(visit, address, theme):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(visit(address, color_scheme=theme)).response["violations"]
    serious = [
        (fault["id"], fault["nodes"][0]["html"]) for fault in found if fault["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_a_head_sorts_by_its_figures_and_the_address_keeps_it(visit):
    page = visit("some-board/index.html")
    head = page.get_by_role("columnheader", name="iris")
    head.first.get_by_role("button").click()
    order = recipes(page)
    cells = page.locator("#all tbody tr").evaluate_all(VALUES)
    figures = [float(cell) for cell in cells]
    assert figures == sorted(figures)
    assert head.first.get_attribute("aria-sort") == "ascending"
    assert "sort-all=" in page.url
    page.reload()
    assert recipes(page) == order
    head.first.get_by_role("button").press("Enter")
    assert head.first.get_attribute("aria-sort") == "descending"
    assert page.locator("#all tbody tr").evaluate_all(VALUES) == cells[::-1]


def test_what_is_better_comes_first_and_what_is_missing_last(visit, tmp_path):
    board = board_of([(f"r{i}", None if i == 1 else 0.1 * i) for i in range(4)], ranks=[(1, 2), None, (1, 3), (3, 4)])
    (tmp_path / "page.html").write_text(boards_html([board]), encoding="utf-8")
    page = visit("", tmp_path / "page.html")
    accuracy = page.get_by_role("button", name="accuracy")
    accuracy.click()
    assert recipes(page, "#board1") == ["r3", "r2", "r0", "r1"]
    accuracy.click()
    assert recipes(page, "#board1") == ["r0", "r2", "r3", "r1"]
    page.get_by_role("button", name="rank").click()
    assert recipes(page, "#board1") == ["r0", "r2", "r3", "r1"]


def test_the_filter_keeps_rows_with_every_word_and_the_kind(visit):
    page = visit("some-board/index.html")
    everything = recipes(page)
    page.get_by_label("Recipes with these words").fill("TEMP ce")
    assert recipes(page) == recipes(page, "#board1") == ["ce+temperature"]
    assert page.locator("#status").inner_text() == "3 of 12 rows fit."
    assert "filter=TEMP+ce" in page.url
    page.reload()
    assert recipes(page) == ["ce+temperature"]
    page.get_by_role("button", name="Show all").click()
    assert recipes(page) == everything
    assert "filter" not in page.url
    page.get_by_label("With a stage of this kind").select_option("refit")
    assert recipes(page) == ["tst:head=linear"]
    page = visit("some-board/index.html#filter=nothing-has-this&sort-all=99.ascending&kind=unknown")
    assert recipes(page) == []


def test_the_theme_follows_the_system_until_somebody_chooses(visit):
    page = visit("some-board/index.html", color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.get_by_role("button", name="Light theme").click()
    light = page.evaluate(paper)
    assert light == "rgb(255, 255, 255)" != dark
    assert "theme=light" in page.url
    page.reload()
    assert page.evaluate(paper) == light
    page.get_by_role("link", name="Boards", exact=True).click()
    assert page.evaluate(paper) == light, "the other pages of the site keep it"
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate(paper) == dark


@pytest.mark.parametrize("address", PAGES)
def test_names_with_markup_are_text(visit, address):
    page = visit(address)
    assert page.locator("script").count() == 1
    if address != PAGES[0] and address != PAGES[3]:
        assert HOSTILE.partition("\N{RIGHT-TO-LEFT OVERRIDE}")[0] in page.locator("tbody").first.inner_text()


def test_everything_is_there_without_script(visit, site):
    page = visit("some-board/index.html", java_script_enabled=False)
    assert len(recipes(page)) == 4
    assert page.locator("button:visible").count() == page.locator(".tools:visible").count() == 0
    assert page.get_by_role("link", name="CSV of every figure").get_attribute("href") == "board.csv"
    assert (site / "some-board" / "board.csv").is_file()


def test_a_phone_scrolls_tables_and_not_the_page(visit):
    for address in PAGES:
        page = visit(address, viewport={"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address


def test_the_keyboard_reaches_the_content_and_the_heads(visit):
    page = visit("some-board/index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    names = []
    for _ in range(16):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert names[0] == "Protocol"
    assert names.index("CSV of every figure") < names.index("Show all") < names.index("rank")


def test_5000_rows_are_sorted_in_under_200_ms(visit, tmp_path):
    rng = random.Random(0)
    board = board_of(
        [(f"recipe-{i}+temperature", rng.random()) for i in range(5000)], ranks=[(i + 1, 5000) for i in range(5000)]
    )
    (tmp_path / "page.html").write_text(boards_html([board]), encoding="utf-8")
    page = visit("", tmp_path / "page.html")
    took = page.evaluate(
        """() => [3, 4, 3, 4, 3].map((column) => {
          const button = document.querySelectorAll("th button")[column];
          const start = performance.now();
          button.click();
          document.body.offsetHeight; // with the layout
          return performance.now() - start;
        })"""
    )
    assert min(took) < 200, took
    assert page.locator("tbody tr").count() == 200
    page.get_by_role("button", name="Show all 5000 rows").click()
    assert page.locator("tbody tr").count() == 5000
    page.get_by_label("Recipes with these words").fill("recipe-4999+")
    assert recipes(page, "#board1") == ["recipe-4999+temperature"]


def board_of(figures: list[tuple[str, float | None]], ranks: list[tuple[int, int] | None]) -> Board:
    """A board of recipes with these accuracies and ranks."""
    unit = {"better": "higher", "rankable": True, "order_only": False, "unit": "fraction"}
    units = {"accuracy": unit, "brier": {**unit, "better": "lower", "unit": "squared probability"}}
    rows = []
    for (recipe, value), rank in zip(figures, ranks, strict=True):
        cells = {"brier": Cell(0.5 if value is None else value, None, (0.0, 1.0))}
        cells |= {} if value is None else {"accuracy": Cell(value, None, (0.0, 1.0))}
        rows.append(Row(rank, recipe, (0,), cells, {}, ("reference",), levels=(0.95,), change=Change(0.1, (-0.1, 0.3))))
    return Board("digits", "mlp", None, 449, "brier", 1e-6, "r0", units, tuple(rows), ("calibench 0",), ())
