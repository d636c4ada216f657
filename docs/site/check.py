"""Look at the built site in Chromium: `python docs/site/check.py [FOLDER]`, the second half of `make docs`.

Every page fits a phone without sideways scrolling. Sample pages have no fault that axe-core calls serious, in both themes. The
search finds a word from a file and from a server. Nothing is asked of another host.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = (
    "index.html",
    "evaluate.html",
    "explanation/ece.html",
    "guides/judge-stored-outputs.html",
    "reference/methods/calibrators.html",
    "reference/commands/evaluate.html",
    "reference/plugin-hooks.html",
    "evidence/ranks.html",
    "search.html",
)
PHONE = 390
VIEWS = (("light", 1280), ("dark", PHONE))
SERIOUS = ("serious", "critical")


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder on a port of this machine."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """A server that writes no log."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class has this name
        """Nothing."""


class Visits:
    """Pages opened in one browser, and the faults that they show."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self.faults: list[str] = []

    @contextlib.contextmanager
    def page(self, width: int = 1280, theme: str = "light") -> Iterator[Any]:
        """A page whose requests and errors are watched."""
        context = self.browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        page = context.new_page()
        page.on("request", lambda request: self._ask(request.url))
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        yield page
        context.close()

    def _ask(self, url: str) -> None:
        if not url.startswith(("file:", "data:", "http://127.0.0.1:")):
            self.faults.append(f"a request leaves the machine: {url}")


def check_widths(visits: Visits, folder: Path) -> int:
    """No page scrolls sideways on a phone. The number of pages."""
    files = sorted(folder.rglob("*.html"))
    with visits.page(PHONE) as page:
        for file in files:
            page.goto(file.as_uri())
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > PHONE:
                visits.faults.append(f"{file.relative_to(folder)} is {wide} pixels wide on a phone")
    return len(files)


def check_axe(visits: Visits, folder: Path) -> int:
    """Axe finds no serious fault on the samples, wide and light, narrow and dark. The number of checks that passed."""
    from axe_playwright_python.sync_playwright import Axe

    passed = 0
    for theme, width in VIEWS:
        with visits.page(width, theme) as page:
            for name in SAMPLES:
                page.goto((folder / name).as_uri())
                found = Axe().run(page).response
                passed += len(found["passes"])
                for fault in found["violations"]:
                    if fault["impact"] in SERIOUS:
                        place = fault["nodes"][0]["html"][:120]
                        visits.faults.append(f"{name}, {theme}, {width}: {fault['id']} at {place}")
    return passed


def check_search(visits: Visits, folder: Path) -> None:
    """The search finds the page of V-TST, from a file and from a server."""
    with served(folder) as address:
        for base in (folder.as_uri(), address):
            with visits.page() as page:
                page.goto(f"{base}/search.html?q=vtst")
                results = page.locator("#search-results ul.search li a")
                results.first.wait_for(timeout=10_000)
                page.wait_for_timeout(500)
                links = results.evaluate_all("links => links.map((link) => link.getAttribute('href'))")
                if not any(link.startswith("reference/methods/refits.html") for link in links):
                    visits.faults.append(f"the search from {base} does not find vtst: {links[:5]}")


def main() -> int:
    """Check, and print the faults; exit code 1 if there are any."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "docs").resolve()
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next((path for name in names if (path := shutil.which(name))), None)
    if chromium is None:
        print(
            "there is no chromium (apt-get install chromium): the pages are built, and nobody looked", file=sys.stderr
        )
        return 0
    from playwright.sync_api import sync_playwright

    start = time.perf_counter()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        visits = Visits(browser)
        pages = check_widths(visits, folder)
        passed = check_axe(visits, folder)
        check_search(visits, folder)
        browser.close()
    for fault in visits.faults:
        print(fault, file=sys.stderr)
    print(
        f"{pages} pages at {PHONE} pixels; axe-core on {len(SAMPLES)} pages in {len(VIEWS)} views: {passed} checks passed;"
        f" {len(visits.faults)} faults in all; {time.perf_counter() - start:.1f} s",
        file=sys.stderr,
    )
    return 1 if visits.faults else 0


if __name__ == "__main__":
    sys.exit(main())
