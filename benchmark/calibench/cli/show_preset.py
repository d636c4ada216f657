"""`calibench show preset NAME`: the preset's file, with its recipes, settings, paper and notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench.cli.json_output import emit_json
from calibench.cli.output import stdout, warn_about_broken_plugins
from calibench.records import schemas

if TYPE_CHECKING:
    from calibench.plugins.registry import Registry


def show_preset(name: str, plugins: Registry, as_json: bool) -> None:
    """Print a plugin's preset, or the preset in a file, after the checks that a run makes."""
    from rich.text import Text

    from calibench.config.preset import is_file, load_preset

    preset = load_preset(name)
    entry = None if is_file(name) else plugins.get("preset", name)
    warn_about_broken_plugins(plugins)
    summary = "" if entry is None else entry.spec.summary
    origin = "a file of yours" if entry is None else f"{entry.plugin.distribution} {entry.plugin.version}"
    if as_json:
        document = {
            "schema": schemas.SHOW,
            "family": "preset",
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
        emit_json(document)
        return
    console = stdout()
    console.print(Text.assemble((preset.name, "bold"), f"  preset, from {origin}"))
    if summary:
        console.print(Text(summary))
    console.print(Text(f"SHA-256 {preset.sha256}", style="dim"), "")
    console.print(Text(preset.text.strip()), soft_wrap=True)
