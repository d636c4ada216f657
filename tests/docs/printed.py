"""Pages whose Python blocks print what stands below them: run the blocks of a page in their order, in one namespace.

`python tests/docs/printed.py docs/explanation/ece.md` writes what they print into the page.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def outputs(text: str) -> list[tuple[str, str | None, str]]:
    """By block of Python its code, the output in the page (None: the page shows none), and the output of this run."""
    namespace: dict[str, Any] = {"__name__": "page"}
    found = []
    for block in BLOCK.finditer(text):
        caught = io.StringIO()
        with contextlib.redirect_stdout(caught):
            exec(compile(block[1], "page", "exec"), namespace)
        found.append((block[1], block[2], caught.getvalue()))
    return found


def rewritten(text: str) -> str:
    """The text with what each block prints."""
    printed = iter([output for _, _, output in outputs(text)])

    def replaced(match: re.Match[str]) -> str:
        output = next(printed)
        return f"```python\n{match[1]}```\n" + (f"\n```text\n{output}```\n" if match[2] is not None else "")

    return BLOCK.sub(replaced, text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        page = Path(name)
        page.write_text(rewritten(page.read_text(encoding="utf-8")), encoding="utf-8")
