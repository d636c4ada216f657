"""The core under AddressSanitizer and UBSan: every case of the driver, for every instruction set that this machine has.

`--plain` does the same with the shipped flags: what the optimiser makes of the code is checked too, and in seconds.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from builds import ROOT, GuardError, build, run_driver

FLAGS = ("-O1", "-g1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def check(root: Path = ROOT, flags: tuple[str, ...] = FLAGS) -> list[str]:
    """What the driver says of each instruction set; GuardError with its words at the first error of any."""
    driver = build(root, root, flags)
    sets = run_driver(driver, "--isas").split()
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda isa: run_driver(driver, "--check", isa=isa).strip(), sets))


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--plain", action="store_true", help="the shipped flags, no sanitizers")
    asked = parser.parse_args()
    how = "shipped flags" if asked.plain else "AddressSanitizer and UBSan"
    try:
        for line in check(flags=() if asked.plain else FLAGS):
            print(f"core, {how}: {line}")
    except GuardError as error:
        print(f"core, {how}: FAILED\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
