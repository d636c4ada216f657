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
    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.terminal_theme import DEFAULT_TERMINAL_THEME

    plain = FONT_FACE.sub("", CONSOLE_SVG_FORMAT.replace("Fira Code, monospace", FONTS))
    return console.export_svg(title=title, theme=DEFAULT_TERMINAL_THEME, code_format=plain, unique_id="board")
