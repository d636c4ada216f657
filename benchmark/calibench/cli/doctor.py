"""`calibench doctor`: what is installed, which kernels serve, which plugins loaded, and what to do about the rest."""

from __future__ import annotations

from typing import Any

import click

from calibench.cli.output import emit_json, stdout


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def doctor(as_json: bool) -> None:
    """Check this installation: versions, compiled kernels, plugins. Exit code 1 when something needs mending."""
    import torch

    from calibench.environment import machine, versions
    from calibench.kernels import backend, extension_status
    from calibench.plugins import discover

    status = extension_status()
    found = discover()
    kernels = {
        "cpu": backend("cpu"),
        "cuda": backend("cuda") if torch.cuda.is_available() else "no CUDA device",
        "self_test": _self_test(),
        "path": status.path,
        "error": status.error,
        "build": status.build,
    }
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
    healthy = not faults and not found.broken() and status.error is None and kernels["self_test"] == "passed"
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


def _self_test() -> str:
    """`passed` when the serving kernel equals the float64 reference on a small case, else what differs."""
    import torch

    from calibench.kernels import calibration_stats
    from calibench.kernels.reference import calibration_stats as reference

    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(500, 7, generator=generator, dtype=torch.float64)
    labels = torch.randint(7, (500,), generator=generator)
    ours, expected = calibration_stats(logits, labels), reference("self-test", logits, labels, 15, False)[0]
    for name, a, b in zip(ours._fields, ours, expected, strict=True):
        if not torch.allclose(a, b, rtol=1e-12, atol=1e-12):
            return f"{name} differs from the float64 reference by {float((a - b).abs().max()):.3g}"
    return "passed"


def _print(document: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    console = stdout()
    grid = Table.grid(padding=(0, 2))
    for section in ("versions", "machine"):
        for name, value in document[section].items():
            grid.add_row(Text(name, style="dim"), Text(str(value)))
    kernels = document["kernels"]
    grid.add_row(Text("kernels on cpu", style="dim"), Text(str(kernels["cpu"])))
    grid.add_row(Text("kernels on cuda", style="dim"), Text(str(kernels["cuda"])))
    grid.add_row(Text("kernel self-test", style="dim"), Text(kernels["self_test"]))
    for name, value in (kernels["build"] or {}).items():
        grid.add_row(
            Text(f"build {name}", style="dim"), Text(" ".join(value) if isinstance(value, list) else str(value))
        )
    console.print(grid)
    if kernels["error"]:
        console.print(Text(f"compiled kernels: {kernels['error']}", style="yellow"))
        console.print(
            "  build them: CALIBENCH_BUILD=cpu pip install --no-build-isolation -e .  (needs g++, ninja, pybind11)"
        )
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
