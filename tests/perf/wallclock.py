"""Wall clock of the core, base against head in one job, reported with its A/A spread; fails only far beyond it.

A block runs base, head, copy, copy, head, base: ABBA both for the head and for a copy of the base's own binary, so that a
drift of the machine cancels, and the copy shows what the machine alone makes of no change at all (A/A).
A case fails when the head was slower in every block, and its median ratio is above 1.5, and log(ratio) is above five times
the A/A spread: the largest |log(copy / base)| of all blocks of that case, at least 1 %.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from builds import ROOT, GuardError, build_pair, choose_base, run_driver

BLOCKS = 5
SECONDS = 0.006
RATIO = 1.5
TIMES_SPREAD = 5.0
LEAST_SPREAD = 0.01
ORDER = ("base", "head", "copy", "copy", "head", "base")

Times = Mapping[str, float]
"""Nanoseconds a call, by case."""


@dataclass(frozen=True)
class Timing:
    """Ratios to the base's time in each block: the head's, and those of the base's own copy."""

    case: str
    nanoseconds: float
    ratios: tuple[float, ...]
    copies: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median over the blocks."""
        return median(self.ratios)

    @property
    def spread(self) -> float:
        """A/A: the largest |log(copy / base)| of a block, at least 1 %."""
        return max(LEAST_SPREAD, *(abs(math.log(ratio)) for ratio in self.copies))

    @property
    def failed(self) -> bool:
        """Slower in every block, above 1.5, and beyond five A/A spreads."""
        far = math.log(self.ratio) > TIMES_SPREAD * self.spread
        return min(self.ratios) > 1 and self.ratio > RATIO and far


def one_block(run: Callable[[str], Times]) -> dict[str, Times]:
    """The sum of both runs of each, in the order above; only cases that all know."""
    runs = [(who, run(who)) for who in ORDER]
    common = [case for case in runs[1][1] if all(case in times for _, times in runs)]
    return {
        who: {case: sum(times[case] for name, times in runs if name == who) for case in common} for who in set(ORDER)
    }


def timings(blocks: list[dict[str, Times]]) -> list[Timing]:
    """One `Timing` a case over all blocks."""
    found = []
    for case in blocks[0]["base"]:
        ratios = tuple(block["head"][case] / block["base"][case] for block in blocks)
        copies = tuple(block["copy"][case] / block["base"][case] for block in blocks)
        found.append(Timing(case, median(block["base"][case] / 2 for block in blocks), ratios, copies))
    return found


def table(found: list[Timing]) -> str:
    """A line a case."""
    width = max((len(timing.case) for timing in found), default=4)
    lines = [f"{'case':<{width}} {'base us':>10} {'head/base':>10} {'A/A':>7}"]
    for timing in found:
        word = "FAILED" if timing.failed else ""
        lines.append(
            f"{timing.case:<{width}} {timing.nanoseconds / 1e3:>10.2f} {timing.ratio:>10.3f} "
            f"{math.expm1(timing.spread):>7.1%} {word}".rstrip()
        )
    return "\n".join(lines)


def measure(base: Path, head: Path, blocks: int, seconds: float) -> list[Timing]:
    """Times both drivers and a copy of the base's, with the instruction set that the machine would choose."""
    fingerprints = [dict(line.split() for line in run_driver(each, "--list").splitlines()) for each in (base, head)]
    same = {case for case, value in fingerprints[1].items() if fingerprints[0].get(case) == value}
    if not same:
        return []
    with TemporaryDirectory(prefix="calibench-aa-") as folder:
        drivers = {"base": base, "head": head, "copy": Path(shutil.copy2(base, Path(folder) / "driver"))}

        def run(who: str) -> Times:
            lines = [line.split() for line in run_driver(drivers[who], "--time", str(seconds)).splitlines()]
            return {case: float(value) for case, value in lines if case in same}

        return timings([one_block(run) for _ in range(blocks)])


def gate(blocks: int = BLOCKS, seconds: float = SECONDS, root: Path = ROOT) -> int:
    """Compares, prints, and returns the exit code."""
    pair = build_pair(choose_base(root), root)
    print(f"wall clock: {pair.why}", flush=True)
    if pair.base is None or pair.nothing_to_compare():
        print(f"wall clock: passed: {pair.nothing_to_compare()}")
        return 0
    found = measure(pair.base, pair.head, blocks, seconds)
    if not found:
        print("wall clock: no case is common to both commits: nothing was compared: passed")
        return 0
    print(table(found))
    failed = [timing.case for timing in found if timing.failed]
    spread = median(timing.spread for timing in found)
    best = min(found, key=lambda timing: timing.ratio)
    overall = math.exp(sum(math.log(timing.ratio) for timing in found) / len(found))
    print(
        f"{len(found)} cases, {blocks} blocks: geometric mean of head/base {overall:.3f}, most improved {best.case} "
        f"{best.ratio:.3f}, median A/A spread {math.expm1(spread):.1%}"
    )
    if failed:
        print(f"wall clock: FAILED, far slower than A/A explains: {', '.join(failed)}")
        return 1
    print(f"wall clock: passed (it fails when slower in every block, above {RATIO} and {TIMES_SPREAD:g} A/A spreads)")
    return 0


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", help="commit to compare with (default: CALIBENCH_BASE, merge base, HEAD~1)")
    parser.add_argument("--blocks", type=int, default=BLOCKS, help="ABBA blocks (default 5)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="time a case and run (default 0.006)")
    asked = parser.parse_args()
    if asked.base:
        os.environ["CALIBENCH_BASE"] = asked.base
    try:
        return gate(asked.blocks, asked.seconds)
    except GuardError as error:
        print(f"wall clock: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
