"""Build the documentation site: `make docs`, or `python docs/site/build.py [FOLDER]`. Any warning is an error."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from source import MadePage, write_source

ROOT = Path(__file__).resolve().parents[2]


def made_pages() -> list[MadePage]:
    """The pages that are made from the code, in the order of the navigation."""
    sys.path.append(str(ROOT / "tests" / "docs"))  # it has the text of specs as Markdown
    from command_pages import command_page
    from extras_page import extras_page
    from hook_page import hook_page
    from registry_pages import names_page

    return [command_page(), names_page(), hook_page(), extras_page()]


def build(folder: Path) -> int:
    """Write the site to `folder`; the exit code of the generator, 1 after a warning."""
    from sphinx.cmd.build import build_main

    source = folder.parent / "docs-source"
    shutil.rmtree(folder, ignore_errors=True)
    write_source(source, made_pages())
    settings = str(ROOT / "docs" / "site")
    words = ["-q", "-W", "--keep-going", "-n", "-E", "-b", "html", "-c", settings]
    return build_main([*words, "-d", str(folder.parent / "docs-cache"), str(source), str(folder)])


def main() -> int:
    """Build, and print the number of pages, the size and the seconds."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "docs").resolve()
    start = time.perf_counter()
    code = build(folder)
    if code == 0:
        files = [file for file in folder.rglob("*") if file.is_file()]
        pages, size = sum(file.suffix == ".html" for file in files), sum(file.stat().st_size for file in files)
        seconds = time.perf_counter() - start
        print(f"{folder / 'index.html'}: {pages} pages, {size / 1e6:.1f} MB, {seconds:.1f} s", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
