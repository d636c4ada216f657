"""`calibench doctor`: what is installed, which kernels serve, which plugins loaded, and what to do about the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from calibench.cli.output import emit_json, stdout

if TYPE_CHECKING:
    from rich.table import Table


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def doctor(as_json: bool) -> None:
    """Check this installation: versions, compiled kernels, plugins. Exit code 1 when something needs mending."""
    import torch

    from calibench.kernels.diagnosis import diagnose
    from calibench.plugins.discovery import discover
    from calibench.records.environment import machine, versions

    found = discover()
    kernels = diagnose()
    plugins = [
        {
            "name": p.name,
            "distribution": p.distribution,
            "version": p.version,
            "module": p.module,
            "status": p.status,
            "error": p.error,
        }
        for p in found.plugins
    ]
    faults = [{"message": fault.message, "hint": fault.hint} for fault in found.faults]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    facts = {"versions": versions(), "machine": machine(torch.get_num_threads(), device)}
    healthy = not faults and not found.broken() and kernels["error"] is None and kernels["self_test"] == "passed"
    document = {
        "schema": "calibench.doctor/1",
        "healthy": healthy,
        **facts,
        "kernels": kernels,
        "plugins": plugins,
        "faults": faults,
    }
    if as_json:
        emit_json(document)
    else:
        _print(document)
    if not healthy:
        raise click.exceptions.Exit(1)


def _print(document: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    console = stdout()
    grid = Table.grid(padding=(0, 2))
    for section in ("versions", "machine"):
        for name, value in document[section].items():
            grid.add_row(Text(name, style="dim"), Text(str(value)))
    kernels = document["kernels"]
    instructions = f"{kernels['instruction_set']} (usable: {', '.join(kernels['instruction_sets'])})"
    forced = ", ".join(f"{name}={value}" for name, value in kernels["forced"].items())
    architectures = " ".join(kernels["cuda_architectures"])
    gpu = kernels["gpu"]
    facts = {
        "kernels": kernels["path"],
        "instruction set": instructions if kernels["instruction_set"] else None,
        "CUDA architectures": architectures or None,
        "GPU": f"{gpu['name']}, sm_{gpu['capability']}" if gpu else None,
        "forced": forced or None,
    }
    for name, value in facts.items():
        if value is not None:
            grid.add_row(Text(name, style="dim"), Text(value))
    for name, value in (kernels["build"] or {}).items():
        if name in _SHOWN_APART:
            continue
        grid.add_row(
            Text(f"build {name}", style="dim"), Text(" ".join(value) if isinstance(value, list) else str(value))
        )
    console.print(grid)
    console.print("", _operators(kernels["ops"]), sep="\n")
    for missing in kernels["missing"]:
        console.print(Text(f"no {missing['what']}: {missing['why']}", style="yellow"), soft_wrap=True)
        console.print(Text(f"  {missing['how']}"), soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("plugin", "from", "module", "status"):
        table.add_column(column)
    for plugin in document["plugins"]:
        status = plugin["status"] if not plugin["error"] else f"{plugin['status']}: {plugin['error']}"
        origin = f"{plugin['distribution']} {plugin['version']}"
        table.add_row(*(Text(cell) for cell in (plugin["name"], origin, plugin["module"], status)))
    console.print("", table, sep="\n")
    for fault in document["faults"]:
        console.print(Text(f"error: {fault['message']}\nhint: {fault['hint']}", style="red"))
    console.print("healthy" if document["healthy"] else "not healthy: see above")


_SHOWN_APART = {"instruction_set", "instruction_sets_compiled", "instruction_sets_detected", "cuda_architectures"}


def _operators(ops: list[dict[str, Any]]) -> Table:
    """Who serves each operator, and whether it equals the reference."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("operator", "on cpu", "on cuda", "self-test"):
        table.add_column(column, overflow="fold")
    for op in ops:
        tests = {kind: op[f"self_test_{kind}"] for kind in ("cpu", "cuda") if op[f"self_test_{kind}"]}
        said = set(tests.values())
        shown = said.pop() if len(said) == 1 else "; ".join(f"{kind}: {value}" for kind, value in tests.items())
        table.add_row(*(Text(cell) for cell in (op["op"], op["cpu"], op["cuda"], shown)))
    return table
