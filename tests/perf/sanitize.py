"""Runs the core under AddressSanitizer and UBSan: every case of the driver, for every instruction set of this machine.

`--plain` does the same with the shipped flags: this checks the optimised code too, and takes seconds.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from builds import ROOT, GuardError, build, run_driver

FLAGS = ("-O1", "-g1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def check(root: Path = ROOT, flags: tuple[str, ...] = FLAGS) -> list[str]:
    """The driver's report on each instruction set; GuardError with its output at the first error."""
    driver = build(root, root, flags)
    sets = run_driver(driver, "--isas").split()
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda isa: run_driver(driver, "--check", isa=isa).strip(), sets))


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--plain", action="store_true", help="the shipped flags, no sanitizers")
    arguments = parser.parse_args()
    how = "shipped flags" if arguments.plain else "AddressSanitizer and UBSan"
    try:
        for line in check(flags=() if arguments.plain else FLAGS):
            print(f"core, {how}: {line}")
    except GuardError as error:
        print(f"core, {how}: FAILED\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
