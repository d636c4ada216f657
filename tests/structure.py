"""The rooms of the core, from the top down, as its imports show them: `python tests/structure.py` prints them.

A room is a folder of `benchmark/calibench`, or a module beside the folders. Every import counts, wherever it stands: in a
function, under TYPE_CHECKING. `from calibench import room` is an import of that room, and a public name of `calibench` one
of the module that the name comes from.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

CORE = Path(__file__).resolve().parent.parent / "benchmark" / "calibench"

ORDER = (
    "__main__", "cli", "integrations", "__init__", "api", "bench", "testing", "runs", "maps", "evaluation", "recipe", "report",
    "training", "metrics", "metric_modules", "stages", "outputs", "models", "leaderboard", "data", "cache", "records", "config",
    "processes", "kernels", "plugins", "atomic", "files", "seeds", "student", "progress", "moved", "lazy", "errors", "version",
)  # fmt: skip
"""An import may only go from left to right."""

NO_TORCH = ("leaderboard", "metrics", "outputs", "plugins", "records", "report", "stages")
"""Rooms that may be imported where torch is not installed."""


def modules() -> dict[str, Path]:
    """Every module of the core by its dotted name below `calibench`; a package by the name of its folder."""
    paths = {}
    for path in sorted(CORE.rglob("*.py")):
        parts = path.relative_to(CORE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        paths[name] = path
    return paths


def room_of(module: str) -> str:
    """The folder, or the module itself where it lies in none."""
    return module.partition(".")[0]


def imports() -> dict[str, set[str]]:
    """For each module the modules of the core that it imports."""
    paths = modules()
    homes = _public_names(paths["__init__"])
    return {name: set(_imported(path, paths, homes)) - {name} for name, path in paths.items()}


def _public_names(init: Path) -> dict[str, str]:
    """Where the names that `calibench` exports come from."""
    table = next(
        node.value
        for node in ast.parse(init.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_HOME"
    )
    homes = ast.literal_eval(table)
    return {name: module.removeprefix("calibench.") for module, names in homes.items() for name in names}


def _imported(path: Path, paths: dict[str, Path], homes: dict[str, str]) -> Iterator[str]:
    """The modules of the core that one file imports; `paths` are those of all modules."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (_module(alias.name, paths) for alias in node.names if alias.name.startswith("calibench"))
        elif isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "calibench":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole.removeprefix("calibench.") in paths:
                    yield whole.removeprefix("calibench.")
                elif node.module == "calibench":
                    yield homes.get(alias.name, "__init__")
                else:
                    yield _module(str(node.module), paths)


def _module(name: str, paths: dict[str, Path]) -> str:
    short = name.removeprefix("calibench.")
    return short if short in paths else "__init__"


def rooms() -> dict[str, set[str]]:
    """For each room the rooms that it imports."""
    graph: dict[str, set[str]] = {}
    for module, imported in imports().items():
        graph.setdefault(room_of(module), set()).update(room_of(name) for name in imported)
    return {room: imported - {room} for room, imported in graph.items()}


def levels(graph: dict[str, set[str]]) -> dict[str, int]:
    """The level of each room: 1 if it imports nothing, else one above the highest that it imports. RecursionError on a circle."""
    level_of: dict[str, int] = {}

    def level(name: str) -> int:
        if name not in level_of:
            level_of[name] = 1 + max((level(imported) for imported in graph[name]), default=0)
        return level_of[name]

    for name in graph:
        level(name)
    return level_of


def upward(graph: dict[str, set[str]]) -> list[str]:
    """Imports that go up, as `data -> recipe`."""
    place = {room: number for number, room in enumerate(ORDER)}
    return sorted(f"{room} -> {above}" for room in graph for above in graph[room] if place[above] < place[room])


def circles(graph: dict[str, set[str]]) -> list[str]:
    """A circle of imports for each module that is part of one, as `a -> b -> a`; empty where there is none."""
    circles_found = []
    for start in sorted(graph):
        path, seen = [start], {start}
        stack = [iter(sorted(graph[start]))]
        while stack:
            following = next(stack[-1], None)
            if following is None:
                stack.pop()
                path.pop()
            elif following == start:
                circles_found.append(" -> ".join([*path, start]))
                break
            elif following not in seen:
                seen.add(following)
                path.append(following)
                stack.append(iter(sorted(graph[following])))
    return circles_found


def main() -> int:
    """Print the rooms; 1 if an import goes up or runs in a circle."""
    graph, paths = rooms(), modules()
    level_of = levels(graph)
    lines = {
        room: sum(len(p.read_text().splitlines()) for m, p in paths.items() if room_of(m) == room) for room in graph
    }
    for room in sorted(graph, key=lambda room: (-level_of[room], ORDER.index(room))):
        print(f"{level_of[room]:3}  {room:12} {lines[room]:6} lines  {', '.join(sorted(graph[room], key=ORDER.index))}")
    root = [name for name, path in paths.items() if path.parent == CORE]
    faults = upward(graph) + circles(imports())
    print(
        f"{len(graph)} rooms on {max(level_of.values())} levels, {len(root)} modules at the root, {len(paths)} in all"
    )
    print(f"{len(faults)} imports that go up or run in a circle{': ' if faults else ''}{'; '.join(faults)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
