"""Tables of the document of `calibench bench judge`, for people."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from calibench.bench.case import OURS
from calibench.bench.output import MIB, notes, times

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLUMNS = (
    "contender",
    "n",
    "median s",
    "quartiles s",
    "scale",
    "x floor",
    "x ours",
    "differs",
    "extra MiB",
    "B/sample",
)
LEFT_OUT = (
    (),
    ("quartiles s",),
    ("quartiles s", "x floor"),
    ("quartiles s", "x floor", "extra MiB"),
    ("quartiles s", "x floor", "extra MiB", "n"),
)
"""The columns that a narrow terminal leaves out, the fewest first."""


def legend(document: dict[str, Any]) -> list[str]:
    """What the columns mean, a line each."""
    promise = document["memory_promise"]
    constant, each = promise["constant_bytes"] / MIB, promise["bytes_per_sample"]
    return [
        "x ours: median / ours, although the others answer a part; differs: the largest difference from ours of a figure of both",
        "scale: a part of the work was timed, and the median is its time multiplied by this",
        f"B/sample: bytes of extra MiB beyond {constant:g} MiB, divided by N; at most {each} are promised of ours",
    ]


def cases_table(document: dict[str, Any], console: Console) -> tuple[Table, Collection[str]]:
    """The widest table of all cases that the console holds, and the columns that it leaves out."""
    from rich.measure import Measurement

    for left_out in LEFT_OUT:
        table = _cases(document["cases"], left_out)
        table.caption, caption = None, table.caption  # notes wrap, and so do not need the width
        width = Measurement.get(console, console.options.update(width=1000), table).maximum
        table.caption = caption
        if width <= console.width:
            break
    return table, left_out


def _cases(entries: list[dict[str, Any]], left_out: Collection[str]) -> Table:
    from rich.text import Text

    from calibench.report.tables import ruled_table

    table = ruled_table(caption="\n".join(notes(entries)))
    columns = [name for name in COLUMNS if name not in left_out]
    for name in columns:
        table.add_column(name, justify="left" if name == "contender" else "right", no_wrap=True)
    for entry in entries:
        table.add_row(f"{entry['rows']} x {entry['columns']} {entry['dtype']}")
        for cells in _rows(entry):
            style = "bold" if cells["contender"] == OURS else "yellow" if cells["differs"].endswith("!") else ""
            cells["contender"] = f"  {cells['contender']}"
            table.add_row(*(Text(cells.get(name, "")) for name in columns), style=style)
        table.add_section()
    return table


def _rows(entry: dict[str, Any]) -> Iterator[dict[str, str]]:
    yield {"contender": "floor: x.sum()", "x floor": "1", "differs": "", **_timing(entry["floor"])}
    for contender in entry["contenders"]:
        memory = contender["memory"] or {"extra_bytes": None, "extra_bytes_per_sample": None}
        extra, each = memory["extra_bytes"], memory["extra_bytes_per_sample"]
        yield {
            "contender": contender["name"],
            **_timing(contender),
            "scale": "" if contender["scale"] == 1 else f"{contender['scale']:.1f}",
            "x floor": times(contender["floor_ratio"]),
            "x ours": times(contender["ours_ratio"]),
            "differs": _differs(contender),
            "extra MiB": "-" if extra is None else f"{extra / MIB:.1f}",
            "B/sample": "-" if each is None else f"{each:.1f}",
        }


def _timing(timing: dict[str, Any]) -> dict[str, str]:
    quartiles = timing["quartiles_s"]
    return {
        "n": str(timing["n"]),
        "median s": "failed" if timing.get("error") else _seconds(timing["median_s"]),
        "quartiles s": "-" if quartiles is None else f"{_seconds(quartiles[0])} .. {_seconds(quartiles[1])}",
    }


def _differs(contender: dict[str, Any]) -> str:
    """The largest difference of a compared figure from ours; an exclamation mark if one is beyond its tolerance."""
    if contender["name"] == OURS or contender["error"]:
        return ""
    distances = [d["difference"] for d in contender["differences"] if d["difference"] is not None]
    text = f"{max(distances):.1g}" if distances else "-"
    return text if contender["agrees"] else f"{text} !"


def scaling_table(document: dict[str, Any]) -> Table:
    """Times of ours, with N and then K growing; time is linear where `x time` is `x scores` or less."""
    from rich.text import Text

    from calibench.report.tables import ruled_table

    table = ruled_table("ours alone: x time and x scores are those of the row above", _failures(document["scaling"]))
    for name in ("N x K", "n", "median s", "us/sample", "ns/score", "x time", "x scores"):
        table.add_column(name, justify="left" if name == "N x K" else "right", no_wrap=True)
    for rows in document["scaling"].values():
        for row in rows:
            n, k, seconds = row["rows"], row["columns"], row["median_s"]
            each = ("-", "-") if seconds is None else (f"{1e6 * seconds / n:.2f}", f"{1e9 * seconds / (n * k):.1f}")
            first = row["growth_scores"] is None
            growth = ("", "") if first else (times(row["growth_time"]), times(row["growth_scores"]))
            table.add_row(*map(Text, (f"{n} x {k}", str(row["n"]), _seconds(seconds), *each, *growth)))
        table.add_section()
    return table


def _failures(scaling: dict[str, list[dict[str, Any]]]) -> str:
    failed = {
        f"ours failed on {row['rows']} x {row['columns']}: {row['error']}": None
        for rows in scaling.values()
        for row in rows
        if row["error"]
    }
    return "\n".join(failed)


def _seconds(seconds: float | None) -> str:
    """Three digits, without an exponent, and no finer than a microsecond."""
    if not seconds:
        return "-" if seconds is None else "0"
    return f"{seconds:.{min(6, max(0, 2 - math.floor(math.log10(seconds))))}f}"
