"""`calibench show preset NAME`: what a preset runs, what it repeats, and what it cannot express: the file itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench.cli.list import warn_of_broken
from calibench.cli.output import emit_json, stdout

if TYPE_CHECKING:
    from calibench.plugins.registry import Registry


def show_preset(name: str, found: Registry, as_json: bool) -> None:
    """Print a plugin's preset, or one in a file, checked as a run would check it."""
    from rich.text import Text

    from calibench.config.preset import is_file, load_preset

    preset = load_preset(name)
    entry = None if is_file(name) else found.get("preset", name)
    warn_of_broken(found)
    summary = "" if entry is None else entry.spec.summary
    origin = "a file of yours" if entry is None else f"{entry.plugin.distribution} {entry.plugin.version}"
    if as_json:
        held = {
            "name": preset.name,
            "summary": summary,
            "from": origin,
            "sha256": preset.sha256,
            **{key: list(texts) for key, texts in preset.options.items()},
            "seed": list(preset.seeds),
            "settings": [f"{part}.{key}={value}" for part, key, value in preset.settings],
            "paper": preset.paper,
            "notes": list(preset.notes),
            "text": preset.text,
        }
        emit_json({"schema": "calibench.show/1", "family": "preset", **held})
        return
    console = stdout()
    console.print(Text.assemble((preset.name, "bold"), f"  preset, from {origin}"))
    if summary:
        console.print(Text(summary))
    console.print(Text(f"SHA-256 {preset.sha256}", style="dim"), "")
    console.print(Text(preset.text.strip()), soft_wrap=True)
