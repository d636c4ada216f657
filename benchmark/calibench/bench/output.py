"""Tables of a benchmark's JSON document, for people."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from calibench.bench.case import OURS

if TYPE_CHECKING:
    from rich.table import Table

MIB = 1 << 20

COLUMNS = (
    "N x K",
    "dtype",
    "contender",
    "n",
    "median ms",
    "quartiles ms",
    "x floor",
    "x ours",
    "extra MiB",
    "% of scores",
)
"""`x floor` and `x ours`: the median divided by the floor's and by ours."""


def tables(document: dict[str, Any]) -> Iterator[Table]:
    """One table per op, with notes below it."""
    for _, group in groupby(document["cases"], key=lambda entry: entry["op"]):
        yield _table(list(group))


def heading(document: dict[str, Any]) -> list[str]:
    """Machine, versions and how busy the machine was, a line each."""
    machine, noise, options = document["machine"], document["noise"], document["options"]
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    sets = ", ".join(machine["instruction_sets"]) or "none compiled"
    loads = " ".join(f"{value:.2f}" for value in noise["load_before"] or [])
    return [
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads; device {machine['device']}",
        f"kernels: {machine['kernels']}, instruction sets {sets}; torch's {machine['torch_instruction_set']}",
        versions,
        f"load average before {loads or 'unknown'}; time taken by other processes {_percent(noise['others'])}, "
        f"by other virtual machines {_percent(noise['steal'])}",
        f"medians of up to {options['repeats']} rounds, every contender once a round in rotated order; "
        f"fewer rounds (n) where a contender would take over {options['budget_s']:g} s",
        f"extra MiB: peak during a call, its result included, to {document['memory_resolution_bytes'] / MIB:.2f} MiB",
    ]


def _table(entries: list[dict[str, Any]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    headline = entries[0]["headline"]
    title = Text(f"{entries[0]['op']}: {entries[0]['answers']}", justify="left")
    caption = Text("\n".join(notes(entries)), style="dim", justify="left")
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, title_justify="left")
    for name in (*COLUMNS, headline):
        left = name in {"N x K", "dtype", "contender"}
        table.add_column(name, justify="left" if left else "right", no_wrap=name != "contender", overflow="fold")
    for entry in entries:
        for number, cells in enumerate(_rows(entry)):
            style = "bold" if cells[2] == OURS else "yellow" if cells[-1].endswith("!") else ""
            visible = cells if number == 0 else ["", "", *cells[2:]]  # shape and dtype once per case
            table.add_row(*(Text(cell) for cell in visible), style=style)
        table.add_section()
    return table


def _rows(entry: dict[str, Any]) -> Iterator[list[str]]:
    case = [f"{entry['rows']} x {entry['columns']}", entry["dtype"]]
    floor = entry["floor"]
    speed = f"{floor['bytes_per_s'] / 1e9:.1f} GB/s" if floor["bytes_per_s"] else ""
    yield [*case, "floor: x.sum()", str(floor["n"]), _ms(floor["median_s"]), _range(floor), "1", "", "", "", speed]
    for contender in entry["contenders"]:
        memory = contender["memory"] or {"extra_bytes": None, "share_of_scores": None}
        extra, share = memory["extra_bytes"], memory["share_of_scores"]
        yield [
            *case,
            contender["name"],
            str(contender["n"]),
            "failed" if contender["error"] else _ms(contender["median_s"]),
            _range(contender),
            times(contender["floor_ratio"]),
            times(contender["ours_ratio"]),
            "-" if extra is None else f"{extra / MIB:.2f}",
            "-" if share is None else f"{100 * share:.2f}",
            _answer(contender, entry),
        ]


def _answer(contender: dict[str, Any], entry: dict[str, Any]) -> str:
    """The headline and its distance from ours; an exclamation mark if a figure is beyond its tolerance."""
    value = contender["figures"].get(entry["headline"])
    text = "-" if value is None else f"{value:.7g}"
    if contender["name"] == OURS or contender["error"]:
        return text
    gap = next((d["difference"] for d in contender["differences"] if d["figure"] == entry["headline"]), None)
    mark = "" if contender["agrees"] else " !"
    return f"{text}{mark}" if gap is None else f"{text} (differs by {gap:.1e}){mark}"


def notes(entries: list[dict[str, Any]]) -> list[str]:
    """Notes on contenders: the work of each, other answers, failures, reasons for missing memory figures. Each once."""
    notes: dict[str, None] = {}
    for entry in entries:
        case = f"{entry['rows']} x {entry['columns']} {entry['dtype']}"
        for contender in entry["contenders"]:
            notes |= dict.fromkeys(_notes_on(contender, case))
    return list(notes)


def _notes_on(contender: dict[str, Any], case: str) -> Iterator[str]:
    name = contender["name"]
    if contender["note"]:
        yield f"{name}: {contender['note']}"
    if contender["error"]:
        yield f"{name} failed on {case}: {contender['error']}"
    for d in contender["differences"]:
        if not d["accepted"]:
            gap = "beyond comparison" if d["difference"] is None else f"by {d['difference']:.2g}"
            limit = f"{d['figure']} {gap}, accepted is {d['tolerance']:.2g}"
            yield f"! {name} differs from ours on {case}: {limit}; its speed is not compared"
    if contender["memory"] and contender["memory"]["reason"]:
        yield f"{name}, memory on {case}: {contender['memory']['reason']}"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1e3 * seconds:.4g}" if seconds < 1 else f"{1e3 * seconds:.0f}"


def _range(times: dict[str, Any]) -> str:
    quartiles = times["quartiles_s"]
    return "-" if quartiles is None else f"{_ms(quartiles[0])} .. {_ms(quartiles[1])}"


def times(ratio: float | None) -> str:
    """A ratio with three digits or fewer."""
    return "-" if ratio is None else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"
