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
    """All that a recording console has printed, in dark letters on white."""
    from rich.terminal_theme import DEFAULT_TERMINAL_THEME

    picture = console.export_svg(title=title, theme=DEFAULT_TERMINAL_THEME, unique_id="board")
    return FONT_FACE.sub("", picture).replace("Fira Code, monospace", FONTS).replace("Fira Code", FONTS)
