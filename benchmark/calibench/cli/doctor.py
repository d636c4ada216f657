"""`calibench doctor`: versions, the kernels that serve, the plugins that loaded, and remedies for the rest."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from calibench.cli.command import Command
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.output import stdout
from calibench.cli.plugin_option import plugin_option
from calibench.records import schemas

if TYPE_CHECKING:
    from rich.table import Table

    from calibench.plugins.registry import Registry

FACTS_OF_THEIR_OWN = {
    "instruction_set",
    "instruction_sets_compiled",
    "instruction_sets_detected",
    "cuda_architectures",
}
"""Entries of the build that are printed as facts about the kernels, or not at all."""


@click.command(cls=Command)
@plugin_option
@json_option
def doctor(as_json: bool) -> None:
    """Check this installation: versions, compiled kernels, plugins. Exit code 1 if something is wrong.

    Without compiled kernels the float64 reference serves: the same figures, slower. That is healthy, and the remedy is shown.

    \b
    calibench doctor
    calibench doctor --json
    """
    from calibench.plugins.discovery import discover

    document = _document(discover(again=True))
    if as_json:
        emit_json(document)
    else:
        _print(document)
    if not document["healthy"]:
        raise click.exceptions.Exit(1)


def _document(registry: Registry) -> dict[str, Any]:
    from calibench.records.environment import machine, versions

    kernels = _kernels()
    keys = ("name", "distribution", "version", "module", "status", "error")
    plugins = [{key: getattr(plugin, key) for key in keys} for plugin in registry.plugins]
    faults = [{"message": fault.message, "hint": fault.hint} for fault in registry.faults]
    reference_only = kernels["path"] is None
    kernels_work = (kernels["error"] is None or reference_only) and kernels["self_test"].startswith(
        ("passed", "not tested")
    )
    return {
        "schema": schemas.DOCTOR,
        "healthy": kernels_work and not faults and not registry.broken(),
        "reference_only": reference_only,
        "versions": versions(),
        "machine": machine(kernels["threads"], "cuda" if kernels["gpu"] else "cpu"),
        "kernels": kernels,
        "plugins": plugins,
        "faults": faults,
    }


def _kernels() -> dict[str, Any]:
    if find_spec("torch") is None:
        from calibench.kernels import diagnosis_without_torch

        return diagnosis_without_torch.diagnose()
    from calibench.kernels import diagnosis

    return diagnosis.diagnose()


def _print(document: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    console = stdout()
    kernels = document["kernels"]
    grid = Table.grid(padding=(0, 2))
    for facts in (document["versions"], document["machine"], _kernel_facts(kernels), _build_facts(kernels)):
        for name, value in facts.items():
            grid.add_row(Text(name, style="dim"), Text(str(value)))
    console.print(grid)
    console.print("", _operators_table(kernels["ops"]), sep="\n")
    for missing in kernels["missing"]:
        console.print(Text(f"no {missing['what']}: {missing['why']}", style="yellow"), soft_wrap=True)
        console.print(Text(f"  {missing['how']}"), soft_wrap=True)
    console.print("", _plugins_table(document["plugins"]), sep="\n")
    for fault in document["faults"]:
        console.print(Text(f"error: {fault['message']}\nhint: {fault['hint']}", style="red"))
    slower = ": the float64 reference serves, slower than compiled kernels" if document["reference_only"] else ""
    console.print(f"healthy{slower}" if document["healthy"] else "not healthy: see above")


def _kernel_facts(kernels: dict[str, Any]) -> dict[str, str]:
    """The kernels' file and instruction sets, and the environment variables that override them."""
    gpu = kernels["gpu"]
    facts = {"kernels": kernels["path"]}
    if kernels["instruction_set"]:
        usable = ", ".join(kernels["instruction_sets"])
        facts["instruction set"] = f"{kernels['instruction_set']} (usable: {usable})"
    facts |= {
        "CUDA architectures": " ".join(kernels["cuda_architectures"]),
        "GPU": f"{gpu['name']}, sm_{gpu['capability']}" if gpu else "",
        "forced": ", ".join(f"{name}={value}" for name, value in kernels["forced"].items()),
    }
    return {name: value for name, value in facts.items() if value}


def _build_facts(kernels: dict[str, Any]) -> dict[str, str]:
    """Facts about the build of the kernels."""
    build = {name: value for name, value in (kernels["build"] or {}).items() if name not in FACTS_OF_THEIR_OWN}
    return {f"build {name}": " ".join(v) if isinstance(v, list) else str(v) for name, v in build.items()}


def _operators_table(ops: list[dict[str, Any]]) -> Table:
    """The backend of each operator, and the comparison of its results with the reference's."""
    from rich.text import Text

    from calibench.report.tables import plain_table

    table = plain_table()
    for column in ("operator", "on cpu", "on cuda", "self-test"):
        table.add_column(column, overflow="fold")
    for op in ops:
        table.add_row(*(Text(cell) for cell in (op["op"], op["cpu"], op["cuda"], _self_test(op))))
    return table


def _self_test(op: dict[str, Any]) -> str:
    """`passed`, or the difference; for each device if they disagree."""
    results = {kind: op[f"self_test_{kind}"] for kind in ("cpu", "cuda") if op[f"self_test_{kind}"]}
    if len(set(results.values())) == 1:
        return str(next(iter(results.values())))
    return "; ".join(f"{kind}: {result}" for kind, result in results.items())


def _plugins_table(plugins: list[dict[str, str]]) -> Table:
    from rich.text import Text

    from calibench.report.tables import plain_table

    table = plain_table()
    for column in ("plugin", "from", "module", "status"):
        table.add_column(column)
    for plugin in plugins:
        status = f"{plugin['status']}: {plugin['error']}" if plugin["error"] else plugin["status"]
        origin = f"{plugin['distribution']} {plugin['version']}"
        table.add_row(*(Text(cell) for cell in (plugin["name"], origin, plugin["module"], status)))
    return table
