"""What a terminal shows as an SVG picture: one file that loads nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Rich's picture fetches its letters from the network; the viewer's own serve as well."""

FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


def svg_of(console: Console, title: str = "calibench leaderboard") -> str:
    """All that a recording console has printed, in dark letters on white, as wide as its longest line."""
    from rich.cells import cell_len
    from rich.terminal_theme import DEFAULT_TERMINAL_THEME

    lines = console.export_text(clear=False).splitlines()
    console.width = max((cell_len(line.rstrip()) for line in lines), default=0) + 2
    picture = console.export_svg(title=title, theme=DEFAULT_TERMINAL_THEME, unique_id="board")
    return FONT_FACE.sub("", picture).replace("Fira Code, monospace", FONTS).replace("Fira Code", FONTS)
