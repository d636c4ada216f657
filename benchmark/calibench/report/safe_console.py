"""A rich console that shows text and nothing else: no markup in it is read, and what would steer the terminal is an escape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench.report.format import CONTROL, printable

if TYPE_CHECKING:
    from rich.console import Console


def safe_console(**options: Any) -> Console:
    """A console for texts that strangers wrote: names in records, column names, file names. `options` are rich's."""
    from rich.console import Console
    from rich.segment import Segment
    from rich.text import Text

    class SafeConsole(Console):
        def render(self, renderable: Any, options: Any = None) -> Any:
            if isinstance(renderable, Text) and CONTROL.search(renderable.plain):
                renderable = Text(printable(renderable.plain), style=renderable.style, justify=renderable.justify)
            for segment in super().render(renderable, options):
                if segment.control is None and CONTROL.search(segment.text):
                    yield Segment(printable(segment.text), segment.style)
                else:
                    yield segment

    return SafeConsole(**{"highlight": False, "markup": False, "emoji": False, **options})
