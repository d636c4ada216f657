"""Instruction gate: counts the instructions of the core's cases at the base commit and in the working tree.

Counts do not depend on the machine's load, so the limit is small: more than +3 % in any case fails. Callgrind counts. Valgrind
3.19 knows no AVX-512, so the processor counts that set by single steps, one trap per instruction (9 us each, on a sixteenth of
the rows).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from builds import ROOT, GuardError, build_pair, choose_base, run_driver

LIMIT = 0.03
SHOWN = 0.001
EMULATED = ("avx2", "generic", "neon")
STEPPED = ("avx512",)
FUNCTION = "calibench_perf_case"
HOW_TO_INSTALL = "valgrind is not on PATH. To get it: apt-get install valgrind (Debian, Ubuntu), dnf install valgrind"


@dataclass(frozen=True)
class Count:
    """Instructions of one call of a case, and the fingerprint of its inputs: only equal inputs are compared."""

    fingerprint: str
    instructions: int


@dataclass(frozen=True)
class Row:
    """A case at both commits; `base` is None if the case is new, `head` if it is removed."""

    case: str
    base: Count | None
    head: Count | None

    @property
    def change(self) -> float | None:
        """Relative change; None if the two cannot be compared."""
        if self.base is None or self.head is None or self.base.fingerprint != self.head.fingerprint:
            return None
        return self.head.instructions / self.base.instructions - 1

    def verdict(self, limit: float) -> str:
        """The last column of the table."""
        if self.base is None:
            return "new"
        if self.head is None:
            return "removed"
        if self.change is None:
            return "other inputs, not compared"
        if self.change > limit:
            return f"SLOWER than +{limit:.0%}"
        return "faster" if self.change < -limit else ""


def compare(base: Mapping[str, Count], head: Mapping[str, Count]) -> list[Row]:
    """All cases of both commits, in the order of the head, removed cases last."""
    names = [*head, *(name for name in base if name not in head)]
    return [Row(name, base.get(name), head.get(name)) for name in names]


def failures(rows: list[Row], limit: float) -> list[Row]:
    """The cases that are slower by more than `limit`."""
    return [row for row in rows if row.change is not None and row.change > limit]


def table(rows: list[Row], limit: float) -> str:
    """A line for each case that moved: instructions at base and head, change, verdict."""
    unmoved = [row for row in rows if row.change is not None and abs(row.change) < SHOWN]
    width = max((len(row.case) for row in rows), default=4)
    lines = [f"{'case':<{width}} {'base':>12} {'head':>12} {'change':>8}"]
    lines += [_line(row, width, limit) for row in rows if row not in unmoved]
    if unmoved:
        total = sum(row.head.instructions for row in unmoved if row.head)
        lines.append(f"({len(unmoved)} cases of {total:,} instructions moved by less than {SHOWN:.1%})")
    return "\n".join(lines)


def _line(row: Row, width: int, limit: float) -> str:
    old, new = (f"{count.instructions:,}" if count else "-" for count in (row.base, row.head))
    change = "-" if row.change is None else f"{row.change:+.2%}"
    return f"{row.case:<{width}} {old:>12} {new:>12} {change:>8} {row.verdict(limit)}".rstrip()


def summary(rows: list[Row], limit: float) -> str:
    """One line: how many cases are slower and faster, and which changed most."""
    changes = {row.case: row.change for row in rows if row.change is not None}
    if not changes:
        return "no case is common to both commits: nothing was compared"
    worst, best = max(changes, key=changes.__getitem__), min(changes, key=changes.__getitem__)
    slower = sum(change > limit for change in changes.values())
    faster = sum(change < -limit for change in changes.values())
    return (
        f"{len(changes)} cases compared: {slower} slower and {faster} faster by more than {limit:.0%}; "
        f"most slowed {worst} {changes[worst]:+.2%}, most improved {best} {changes[best]:+.2%}"
    )


def count_emulated(driver: Path, isa: str) -> dict[str, Count]:
    """Instructions of every case under callgrind, each on its second call, because the first call binds and allocates."""
    with TemporaryDirectory(prefix="calibench-callgrind-") as folder:
        out = Path(folder) / "out"
        prefix = ["valgrind", "--tool=callgrind", f"--toggle-collect={FUNCTION}", f"--dump-after={FUNCTION}"]
        listed = run_driver(driver, "--count", isa=isa, prefix=[*prefix, f"--callgrind-out-file={out}"])
        names = [line.split() for line in listed.splitlines()]
        counts: dict[str, Count] = {}
        for index, (name, fingerprint) in enumerate(names, start=1):
            totals = re.search(r"^totals: (\d+)$", out.with_name(f"out.{index}").read_text(), re.MULTILINE)
            if totals is None or int(totals[1]) == 0:
                raise GuardError(f"callgrind counted nothing in case {name}")
            counts[name] = Count(fingerprint, int(totals[1]))
        return counts


def count_stepped(driver: Path, isa: str) -> dict[str, Count]:
    """Instructions of every case by single steps of the processor."""
    lines = [line.split() for line in run_driver(driver, "--steps", isa=isa).splitlines()]
    return {name: Count(fingerprint, int(steps)) for name, fingerprint, steps in lines}


def gate(limit: float = LIMIT, root: Path = ROOT) -> int:
    """Compares both commits, prints the result, and returns the exit code."""
    pair = build_pair(choose_base(root), root)
    print(f"instructions: {pair.why}", flush=True)
    if pair.base is None or pair.nothing_to_compare():
        print(f"instructions: passed: {pair.nothing_to_compare()}")
        return 0
    base_isas, head_isas = (run_driver(driver, "--isas").split() for driver in (pair.base, pair.head))
    slower = 0
    for isa in head_isas:
        if isa in base_isas:
            slower += _compare_isa(pair.base, pair.head, isa, limit)
        else:
            print(f"\n{isa}: new, the base has none")
    for isa in [isa for isa in (*STEPPED, *EMULATED[:-1]) if isa not in head_isas]:
        print(f"\n{isa}: not counted, this machine or this build has none")
    for isa in [isa for isa in base_isas if isa not in head_isas]:
        print(f"\n{isa}: removed, only the base has it")
    if slower:
        print(f"\ninstructions: FAILED, {slower} case(s) slower by more than {limit:.0%}")
        return 1
    print(f"\ninstructions: passed, no case is slower by more than {limit:.0%}")
    return 0


def _compare_isa(base: Path, head: Path, isa: str, limit: float) -> int:
    """Counts and prints the cases of an instruction set; returns how many are slower by more than the limit."""
    stepped = isa in STEPPED
    if not stepped and not shutil.which("valgrind"):
        raise GuardError(HOW_TO_INSTALL)
    counter, method = (count_stepped, "single steps") if stepped else (count_emulated, "callgrind")
    with ThreadPoolExecutor(2) as pool:
        rows = compare(*pool.map(counter, (base, head), (isa, isa)))
    print(f"\n{isa}, by {method}\n{table(rows, limit)}\n{summary(rows, limit)}", flush=True)
    return len(failures(rows, limit))


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", help="commit to compare with (default: CALIBENCH_BASE, merge base, HEAD~1)")
    parser.add_argument("--limit", type=float, default=LIMIT, help="relative increase that fails (default 0.03)")
    arguments = parser.parse_args()
    if arguments.base:
        os.environ["CALIBENCH_BASE"] = arguments.base
    try:
        return gate(arguments.limit)
    except GuardError as error:
        print(f"instructions: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
