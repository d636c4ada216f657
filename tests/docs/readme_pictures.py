"""The pictures of the documentation, by calibench's own commands: `make pictures`, or `python tests/docs/readme_pictures.py`.

docs/pictures/board.svg has nine recipes of the committed board quick-v1 on digits, ranked among themselves.
docs/pictures/reliability.svg has the example of docs/guides/production.md before and after its map.
docs/pictures/board.png and dataset-dark.png are pages of the site of quick-v1, in the Chromium of the system.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"
BOARD = ROOT / "leaderboards" / "quick-v1"
RECIPES = (
    *("ce", "ce+temperature", "ce+isotonic", "ce+vtst", "ce+tst", "ce+ensemble"),
    *("label-smoothing", "mbls"),
)
"""The stages of nine recipes of the suite, as file names have them: `tst` is there with two heads."""

COLUMNS = "brier,change,ece15,floor,verdict"


def calibench(*words: str, folder: Path) -> None:
    """Run a command in a folder; an error ends the script."""
    subprocess.run([sys.executable, "-m", "calibench", *words], cwd=folder, check=True)


def copy_records(folder: Path) -> None:
    """Copy the records and predictions of RECIPES on digits."""
    names = "|".join(re.escape(recipe) for recipe in RECIPES)
    chosen = re.compile(rf"digits-mlp-({names})-s\d+-")
    for part in ("records", "predictions"):
        (folder / part).mkdir(parents=True)
        for file in (BOARD / part).iterdir():
            if chosen.match(file.name):
                shutil.copy(file, folder / part)


def draw_board(out: Path) -> None:
    """Write the picture of the board."""
    with tempfile.TemporaryDirectory() as name:
        copy_records(Path(name) / "results")
        calibench("leaderboard", "--columns", COLUMNS, "--format", "svg", "--output", str(out), folder=Path(name))


def draw_reliability(out: Path) -> None:
    """Write the reliability diagrams of the example."""
    page = (ROOT / "docs" / "guides" / "production.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(# example\.py.*?)```", page, re.DOTALL)
    if example is None:
        raise SystemExit("docs/guides/production.md has no example.py")
    with tempfile.TemporaryDirectory() as name:
        subprocess.run([sys.executable, "-c", example[1]], cwd=name, check=True)
        words = ("evaluate", "test.csv", "--fit", "auto", "--fit-on", "val.csv", "--plot", str(out), "-q")
        calibench(*words, folder=Path(name))


def draw_site(board: Path, dataset: Path) -> None:
    """Write the pictures of two pages of the site."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        calibench("site", "site", "--results", str(BOARD), folder=Path(name))
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        folder = Path(name) / "site" / "quick-v1"
        (digits,) = (folder / "data").glob("digits-*.html")
        for address, colours, out in (
            ((folder / "index.html").as_uri(), "light", board),
            (f"{digits.as_uri()}#cost", "dark", dataset),
        ):
            page = browser.new_page(viewport={"width": 1200, "height": 860}, color_scheme=colours)
            page.goto(address)
            page.screenshot(path=out)
        browser.close()


if __name__ == "__main__":
    draw_board(PICTURES / "board.svg")
    draw_reliability(PICTURES / "reliability.svg")
    draw_site(PICTURES / "board.png", PICTURES / "dataset-dark.png")
