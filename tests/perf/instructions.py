"""Instruction gate: the core's cases at the base commit and here, counted under callgrind, and single-stepped for AVX-512.

Counts do not depend on the machine's load, so the limit can be small: above +3 % in any case fails. Valgrind 3.19 knows no
AVX-512, so that set is counted on the processor itself, one trap an instruction (9 us each, on a sixteenth of the rows).
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
    """One case at both commits; `base` None: new, `head` None: removed."""

    case: str
    base: Count | None
    head: Count | None

    @property
    def change(self) -> float | None:
        """Relative change, or None where the two cannot be compared."""
        if self.base is None or self.head is None or self.base.fingerprint != self.head.fingerprint:
            return None
        return self.head.instructions / self.base.instructions - 1

    def verdict(self, limit: float) -> str:
        """What the table says of the case."""
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
    """All cases of both, in the order of the head, the removed ones last."""
    names = [*head, *(name for name in base if name not in head)]
    return [Row(name, base.get(name), head.get(name)) for name in names]


def failures(rows: list[Row], limit: float) -> list[Row]:
    """The cases that got slower by more than `limit`."""
    return [row for row in rows if row.change is not None and row.change > limit]


def table(rows: list[Row], limit: float) -> str:
    """A line a case that moved: instructions at base and head, change, verdict."""
    still = [row for row in rows if row.change is not None and abs(row.change) < SHOWN]
    width = max((len(row.case) for row in rows), default=4)
    lines = [f"{'case':<{width}} {'base':>12} {'head':>12} {'change':>8}"]
    for row in [row for row in rows if row not in still]:
        old, new = (f"{count.instructions:,}" if count else "-" for count in (row.base, row.head))
        change = "-" if row.change is None else f"{row.change:+.2%}"
        lines.append(f"{row.case:<{width}} {old:>12} {new:>12} {change:>8} {row.verdict(limit)}".rstrip())
    if still:
        total = sum(row.head.instructions for row in still if row.head)
        lines.append(f"({len(still)} cases of {total:,} instructions moved by less than {SHOWN:.1%})")
    return "\n".join(lines)


def summary(rows: list[Row], limit: float) -> str:
    """One line for both directions."""
    compared = [row for row in rows if row.change is not None]
    if not compared:
        return "no case is common to both commits: nothing was compared"
    worst = max(compared, key=lambda row: row.change or 0.0)
    best = min(compared, key=lambda row: row.change or 0.0)
    slower = sum(1 for row in compared if (row.change or 0.0) > limit)
    faster = sum(1 for row in compared if (row.change or 0.0) < -limit)
    return (
        f"{len(compared)} cases compared: {slower} slower and {faster} faster by more than {limit:.0%}; "
        f"most slowed {worst.case} {worst.change:+.2%}, most improved {best.case} {best.change:+.2%}"
    )


def count_emulated(driver: Path, isa: str) -> dict[str, Count]:
    """Instructions of every case under callgrind, each counted on its second call: the first binds and allocates."""
    with TemporaryDirectory(prefix="calibench-callgrind-") as folder:
        out = Path(folder) / "out"
        prefix = ["valgrind", "--tool=callgrind", f"--toggle-collect={FUNCTION}", f"--dump-after={FUNCTION}"]
        listed = run_driver(driver, "--count", isa=isa, prefix=[*prefix, f"--callgrind-out-file={out}"])
        names = [line.split() for line in listed.splitlines()]
        counts: dict[str, Count] = {}
        for index, (name, fingerprint) in enumerate(names, start=1):
            found = re.search(r"^totals: (\d+)$", out.with_name(f"out.{index}").read_text(), re.MULTILINE)
            if found is None or int(found[1]) == 0:
                raise GuardError(f"callgrind counted nothing in case {name}")
            counts[name] = Count(fingerprint, int(found[1]))
        return counts


def count_stepped(driver: Path, isa: str) -> dict[str, Count]:
    """Instructions of every case, one trap each, on the processor itself."""
    lines = [line.split() for line in run_driver(driver, "--steps", isa=isa).splitlines()]
    return {name: Count(fingerprint, int(steps)) for name, fingerprint, steps in lines}


def gate(limit: float = LIMIT, root: Path = ROOT) -> int:
    """Compares, prints, and returns the exit code."""
    pair = build_pair(choose_base(root), root)
    print(f"instructions: {pair.why}", flush=True)
    if pair.base is None or pair.nothing_to_compare():
        print(f"instructions: passed: {pair.nothing_to_compare()}")
        return 0
    known = [run_driver(driver, "--isas").split() for driver in (pair.base, pair.head)]
    slower = 0
    for isa in known[1]:
        if isa not in known[0]:
            print(f"\n{isa}: new, the base has none")
            continue
        counter = count_stepped if isa in STEPPED else count_emulated
        if counter is count_emulated and not shutil.which("valgrind"):
            raise GuardError(HOW_TO_INSTALL)
        with ThreadPoolExecutor(2) as pool:
            base, head = pool.map(lambda driver: counter(driver, isa), (pair.base, pair.head))  # noqa: B023
        rows = compare(base, head)
        how = "single steps" if isa in STEPPED else "callgrind"
        print(f"\n{isa}, by {how}\n{table(rows, limit)}\n{summary(rows, limit)}", flush=True)
        slower += len(failures(rows, limit))
    for isa in [isa for isa in (*STEPPED, *EMULATED[:-1]) if isa not in known[1]]:
        print(f"\n{isa}: not counted, this machine or this build has none")
    for isa in [isa for isa in known[0] if isa not in known[1]]:
        print(f"\n{isa}: removed, only the base has it")
    if slower:
        print(f"\ninstructions: FAILED, {slower} case(s) slower by more than {limit:.0%}")
        return 1
    print(f"\ninstructions: passed, no case is slower by more than {limit:.0%}")
    return 0


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", help="commit to compare with (default: CALIBENCH_BASE, merge base, HEAD~1)")
    parser.add_argument("--limit", type=float, default=LIMIT, help="relative increase that fails (default 0.03)")
    asked = parser.parse_args()
    if asked.base:
        os.environ["CALIBENCH_BASE"] = asked.base
    try:
        return gate(asked.limit)
    except GuardError as error:
        print(f"instructions: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
