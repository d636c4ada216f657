"""Faults of disks, processes, clocks, files and networks, injected on purpose: the table of docs/reliability.md.

Each fault meets one run of two recipes. Then the same command runs again without the fault, and must end with the figures of an
undisturbed run, sound checksums and no file of a dead process. `python tests/simulations/faults.py` prints the table.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from forked import Ended, ForkedCommand  # noqa: E402

from calibench.atomic import digest_of  # noqa: E402
from calibench.records.store import read_predictions, read_records  # noqa: E402

COMMAND = ("run", "-m", "ce", "-m", "ce+temperature", "-d", "wine", "--model", "mlp:hidden=8", "--epochs", "40", "-q")
FULL = ("run", "-m", "ce", "-m", "ce+temperature", "-d", "wine", "--model", "mlp:hidden=8", "--epochs", "40")
"""The same with its notes."""

INTERNAL = ("this is a bug", "Traceback")


class LostError(AssertionError):
    """A fault cost something: a figure, a record, or a clean error."""


class Place:
    """A results folder in a temporary folder, and what is done there. An undisturbed run takes so many `seconds`."""

    def __init__(self, folder: Path, expected: dict[str, str], seconds: float = 0.0) -> None:
        self.folder, self.results, self.expected, self.seconds = folder, folder / "results", expected, seconds

    def start(self, *words: object, before: Callable[[], object] = lambda: None) -> ForkedCommand:
        """A command in a process of its own; without words the run."""
        return ForkedCommand(*(words or FULL), cwd=self.folder, before=before)

    def run(self, *words: object, before: Callable[[], object] = lambda: None) -> Ended:
        """The same, to its end, which must be a clean one."""
        ended = self.start(*words, before=before).wait(60)
        for text in INTERNAL:
            if text in ended.err:
                raise LostError(f"an internal error: {ended.err}")
        if ended.code == -9:
            raise LostError("no end within a minute")
        return ended

    def file(self, pattern: str) -> Path:
        """The first file of a pattern below the results."""
        return min(self.results.glob(pattern))

    def check(self) -> None:
        """The run once more without a fault: nothing may be lost."""
        ended = self.run(*COMMAND)
        if ended.code != 0:
            raise LostError(f"the run does not end after the fault: {ended.err}")
        found = figures(self.results)
        if found != self.expected:
            raise LostError(f"other figures after the fault: {sorted(found)}")
        for tensors in (self.results / "cache").glob("*.safetensors"):
            if tensors.with_suffix(".sha256").read_text().strip() != digest_of(tensors):
                raise LostError(f"{tensors.name} has a wrong checksum")
        left = [path.name for path in self.results.rglob("*.tmp")]
        if left:
            raise LostError(f"files of dead processes are left: {left}")


@dataclass(frozen=True)
class Fault:
    """One kind of fault: what fails, how it is injected, how often, and the function that injects it once.

    The function returns what the user saw.
    """

    name: str
    how: str
    times: int
    inject: Callable[[Place, int], str]
    after_a_run: bool = True
    """The results of an undisturbed run are there."""


def figures(results: Path) -> dict[str, str]:
    """The figures of each record, and the digest of its predictions."""
    found = {}
    for record in read_records(results):
        assert read_predictions(results, record)
        found[record.recipe] = json.dumps([record.metrics, record.intervals, record.predictions], sort_keys=True)
    return found


def seen(ended: Ended) -> str:
    """What the user saw, in a line: the error or the warning, without the names of temporary folders."""
    lines = [line for line in ended.err.splitlines() if line.startswith(("error:", "warning:", "note:", "failed:"))]
    text = re.sub(r"/tmp/\S*?/(results|x)", "results", lines[0]) if lines else "nothing: it ended as always"
    text = re.sub(r"[0-9a-f]{12,64}", "…", text).replace("|", "/").replace("<", "&lt;")
    return textwrap.shorten(f"{text} (exit {ended.code})" if ended.code else text, 150)


def one(fault: Fault, made: Path, expected: dict[str, str], seconds: float) -> Counter[str]:
    """Inject a fault as often as it says; what users saw, each with its number."""
    saw: Counter[str] = Counter()
    for number in range(fault.times):
        with tempfile.TemporaryDirectory(prefix="calibench-faults-") as folder:
            place = Place(Path(folder), expected, seconds)
            if fault.after_a_run:
                shutil.copytree(made, place.results)
            saw[fault.inject(place, number)] += 1
            place.check()
    return saw


def rows(names: list[str]) -> Iterator[str]:
    """A line of the table for each fault, as it is done."""
    import torch
    from fault_kinds import files, networks, processes

    import calibench

    torch.set_num_threads(1)
    calibench.run("ce+temperature", "wine", "mlp:hidden=8", epochs=2)  # children need not import it all again
    faults = [*processes.FAULTS, *files.FAULTS, *networks.FAULTS]
    with tempfile.TemporaryDirectory(prefix="calibench-faults-") as folder:
        place = Place(Path(folder), {})
        start = time.monotonic()
        assert place.run(*COMMAND).code == 0
        seconds = time.monotonic() - start
        expected = figures(place.results)
        for number, fault in enumerate(faults, 1):
            if names and not any(name in fault.name for name in names):
                continue
            saw = one(fault, place.results, expected, seconds)
            words = "; ".join(f"{text} ({count})" if len(saw) > 1 else text for text, count in saw.most_common(3))
            yield f"| {number} | {fault.name} | {fault.how} | {fault.times} | nothing | {words} |"


def main() -> None:
    """Print the table; the first loss ends the script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="faults whose name holds one of these words; default: all")
    options = parser.parse_args()
    print("| | fault | how it was injected | times | lost | what the user saw |\n|---:|---|---|---:|---|---|")
    for row in rows(options.names):
        print(row, flush=True)


if __name__ == "__main__":
    main()
