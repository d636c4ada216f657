"""Wall-clock gate: times the core at the base commit and in the working tree, and fails only far beyond the A/A spread.

A block runs base, head, copy, copy, head, base, where the copy is the base's own binary. This is ABBA for the head and for the
copy, so a drift of the machine cancels, and the copy shows how much times change without any change of the code (A/A).
A case fails if the head is slower in every block, its median ratio is above 1.5, and log(ratio) is above five times the A/A
spread: the largest |log(copy / base)| of all blocks of that case, at least 1 %.
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
    """Times of a case: the base's, and in each block the ratios of the head and of the copy to the base."""

    case: str
    nanoseconds: float
    ratios: tuple[float, ...]
    copies: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median ratio of the head over the blocks."""
        return median(self.ratios)

    @property
    def spread(self) -> float:
        """A/A spread: the largest |log(copy / base)| of a block, at least 1 %."""
        return max(LEAST_SPREAD, *(abs(math.log(ratio)) for ratio in self.copies))

    @property
    def failed(self) -> bool:
        """True if slower in every block, above 1.5 in the median, and beyond five A/A spreads."""
        beyond_spread = math.log(self.ratio) > TIMES_SPREAD * self.spread
        return min(self.ratios) > 1 and self.ratio > RATIO and beyond_spread


def one_block(run: Callable[[str], Times]) -> dict[str, Times]:
    """Times of base, head and copy, each the sum of its two runs; only cases of all runs."""
    runs = [(name, run(name)) for name in ORDER]
    common = [case for case in runs[1][1] if all(case in times for _, times in runs)]
    return {
        driver: {case: sum(times[case] for name, times in runs if name == driver) for case in common}
        for driver in set(ORDER)
    }


def timings(blocks: list[dict[str, Times]]) -> list[Timing]:
    """A `Timing` of each case over all blocks."""
    cases = []
    for case in blocks[0]["base"]:
        ratios = tuple(block["head"][case] / block["base"][case] for block in blocks)
        copies = tuple(block["copy"][case] / block["base"][case] for block in blocks)
        cases.append(Timing(case, median(block["base"][case] / 2 for block in blocks), ratios, copies))
    return cases


def table(cases: list[Timing]) -> str:
    """A line per case."""
    width = max((len(timing.case) for timing in cases), default=4)
    lines = [f"{'case':<{width}} {'base us':>10} {'head/base':>10} {'A/A':>7}"]
    for timing in cases:
        word = "FAILED" if timing.failed else ""
        lines.append(
            f"{timing.case:<{width}} {timing.nanoseconds / 1e3:>10.2f} {timing.ratio:>10.3f} "
            f"{math.expm1(timing.spread):>7.1%} {word}".rstrip()
        )
    return "\n".join(lines)


def measure(base: Path, head: Path, blocks: int, seconds: float) -> list[Timing]:
    """Times both drivers and a copy of the base's, with the instruction set that the machine chooses."""
    lists = [run_driver(driver, "--list").splitlines() for driver in (base, head)]
    old, new = (dict(line.split() for line in lines) for lines in lists)
    common = {case for case, fingerprint in new.items() if old.get(case) == fingerprint}
    if not common:
        return []
    with TemporaryDirectory(prefix="calibench-aa-") as folder:
        drivers = {"base": base, "head": head, "copy": Path(shutil.copy2(base, Path(folder) / "driver"))}

        def run(name: str) -> Times:
            lines = [line.split() for line in run_driver(drivers[name], "--time", str(seconds)).splitlines()]
            return {case: float(value) for case, value in lines if case in common}

        return timings([one_block(run) for _ in range(blocks)])


def gate(blocks: int = BLOCKS, seconds: float = SECONDS, root: Path = ROOT) -> int:
    """Compares both commits, prints the result, and returns the exit code."""
    pair = build_pair(choose_base(root), root)
    print(f"wall clock: {pair.why}", flush=True)
    if pair.base is None or pair.nothing_to_compare():
        print(f"wall clock: passed: {pair.nothing_to_compare()}")
        return 0
    cases = measure(pair.base, pair.head, blocks, seconds)
    if not cases:
        print("wall clock: no case is common to both commits: nothing was compared: passed")
        return 0
    print(f"{table(cases)}\n{summary(cases, blocks)}")
    failed = [timing.case for timing in cases if timing.failed]
    if failed:
        print(f"wall clock: FAILED, far slower than A/A explains: {', '.join(failed)}")
        return 1
    print(f"wall clock: passed (it fails when slower in every block, above {RATIO} and {TIMES_SPREAD:g} A/A spreads)")
    return 0


def summary(cases: list[Timing], blocks: int) -> str:
    """One line: mean ratio, the most improved case, and the median A/A spread."""
    best = min(cases, key=lambda timing: timing.ratio)
    overall = math.exp(sum(math.log(timing.ratio) for timing in cases) / len(cases))
    spread = math.expm1(median(timing.spread for timing in cases))
    return (
        f"{len(cases)} cases, {blocks} blocks: geometric mean of head/base {overall:.3f}, most improved {best.case} "
        f"{best.ratio:.3f}, median A/A spread {spread:.1%}"
    )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", help="commit to compare with (default: CALIBENCH_BASE, merge base, HEAD~1)")
    parser.add_argument("--blocks", type=int, default=BLOCKS, help="ABBA blocks (default 5)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="seconds per case and run (default 0.006)")
    arguments = parser.parse_args()
    if arguments.base:
        os.environ["CALIBENCH_BASE"] = arguments.base
    try:
        return gate(arguments.blocks, arguments.seconds)
    except GuardError as error:
        print(f"wall clock: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
