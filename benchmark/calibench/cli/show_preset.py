"""`calibench show preset NAME` and `show suite NAME`: the file, with its recipes, settings, paper and notes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from calibench.cli.json_output import emit_json
from calibench.cli.output import stdout, warn_about_broken_plugins
from calibench.records import schemas

if TYPE_CHECKING:
    from calibench.plugins.registry import Registry


def show_preset(name: str, plugins: Registry, as_json: bool) -> None:
    """Print a plugin's preset, or the preset in a file, after the checks that a run makes."""
    from calibench.config.preset import load_preset

    preset = load_preset(name)
    about = {
        **{key: list(texts) for key, texts in preset.options.items()},
        "seed": list(preset.seeds),
        "settings": [f"{part}.{key}={value}" for part, key, value in preset.settings],
        "paper": preset.paper,
        "notes": list(preset.notes),
        "text": preset.text,
    }
    _show("preset", name, plugins, {"name": preset.name, "sha256": preset.sha256, **about}, as_json)


def show_suite(name: str, plugins: Registry, as_json: bool) -> None:
    """Print a plugin's suite, or the suite in a file, after the checks that a sweep makes."""
    from calibench.config.suite import load_suite

    suite = load_suite(name)
    about = {
        "primary": suite.primary,
        "base": suite.base,
        "method": list(suite.methods),
        "seed": list(suite.seeds),
        "data": [dataclasses.asdict(data) for data in suite.data],
        "settings": [f"{part}.{key}={value}" for part, key, value in suite.settings],
        "notes": list(suite.notes),
        "text": suite.text,
    }
    _show("suite", name, plugins, {"name": suite.name, "sha256": suite.sha256, **about}, as_json)


def _show(family: str, name: str, plugins: Registry, about: dict[str, Any], as_json: bool) -> None:
    """Print the file with its origin and digest, or all of it as JSON."""
    from rich.text import Text

    from calibench.config.preset import is_file

    entry = None if is_file(name) else plugins.get(family, name)
    warn_about_broken_plugins(plugins)
    summary = "" if entry is None else entry.spec.summary
    origin = "a file of yours" if entry is None else f"{entry.plugin.distribution} {entry.plugin.version}"
    if as_json:
        emit_json(
            {"schema": schemas.SHOW, "family": family, "name": about.pop("name"), "summary": summary, "from": origin}
            | about
        )
        return
    console = stdout()
    console.print(Text.assemble((about["name"], "bold"), f"  {family}, from {origin}"))
    if summary:
        console.print(Text(summary))
    console.print(Text(f"SHA-256 {about['sha256']}", style="dim"), "")
    console.print(Text(about["text"].strip()), soft_wrap=True)
