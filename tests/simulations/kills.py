"""Sweeps that are killed at random moments, 30 rounds: a table of docs/scale.md.

Each round starts a sweep of 8 cells from nothing, kills a worker, the parent or both with SIGKILL at a random moment, and
resumes by the same command until it is complete. It fails if a record is torn, a cell is lost or doubled, a file of a killed
process is left, or a figure differs from that of an undisturbed sweep.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from calibench.records.store import read_predictions, read_records

SUITE = """
primary = "brier"
base = "ce"
method = ["ce", "ce+temperature", "tst", "label-smoothing"]
seed = [0, 1]
[[data]]
dataset = "breast-cancer"
model = "mlp:hidden=8"
[train]
epochs = 40
[set.tst]
epochs = 20
"""
CELLS = 8
WHOM = ("worker", "parent", "both")


def start(suite: Path, results: Path, launcher: str) -> subprocess.Popen[bytes]:
    """The sweep in a process of its own, which keeps what it trains every .3 s."""
    words = ["sweep", str(suite), "--jobs", "2", "--launcher", launcher, "--results", str(results), "--json"]
    environment = os.environ | {"CALIBENCH_CHECKPOINT_SECONDS": "0.3"}
    return subprocess.Popen(
        [sys.executable, "-m", "calibench", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )


def children_of(pid: int) -> list[int]:
    """The processes under a process, at every depth, the nearest first."""
    parent_of = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                parent_of[int(entry.parent.name)] = int(fields[1])
    found, parents = [], {pid}
    while parents := {child for child, parent in parent_of.items() if parent in parents}:
        found += sorted(parents)
    return found


def kill(process: subprocess.Popen[bytes], whom: str, chance: random.Random) -> None:
    """SIGKILL for one worker, the parent, or all of them."""
    children = children_of(process.pid)
    chosen = [process.pid] if whom != "worker" else []
    if whom == "both":
        chosen += children
    elif whom == "worker" and children:
        chosen.append(chance.choice(children))
    for pid in chosen:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def figures(results: Path) -> dict[str, str]:
    """By cell the figures and intervals of its record. Reading fails for a torn record or torn predictions."""
    found = {}
    for record in read_records(results):
        arrays = read_predictions(results, record)
        assert arrays, record.run_id
        cell = f"{record.recipe} {record.dataset} {record.noise} {record.seed}"
        assert cell not in found, f"{cell} is there twice"
        found[cell] = json.dumps([record.metrics, record.intervals, record.predictions], sort_keys=True)
    return found


def wait(process: subprocess.Popen[bytes], results: Path, chance: random.Random) -> None:
    """Until a random moment: a time after the start, or up to .5 s after a random number of records; or until the sweep ends."""
    records = chance.choice((0, *range(CELLS - 1)))
    while process.poll() is None and len(list(results.glob("records/*.json"))) < records:
        time.sleep(0.02)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=chance.uniform(0, 0.5 if records else 12))


def one_round(suite: Path, results: Path, chance: random.Random, launcher: str, kills: int) -> Counter[str]:
    """Kill the sweep, then let it end; what was killed, and how many records each end left."""
    count: Counter[str] = Counter()
    for _ in range(kills):
        process = start(suite, results, launcher)
        whom = chance.choice(WHOM)
        wait(process, results, chance)
        if process.poll() is not None:
            count["ended before the kill"] += 1
            continue
        kill(process, whom, chance)
        count[f"{whom} killed"] += 1
        if whom == "worker":  # the sweep goes on without it
            wait(process, results, chance)
            if process.poll() is None:
                kill(process, "both", chance)
                count["both killed"] += 1
        process.wait()
        there = len(figures(results)) if (results / "records").is_dir() else 0
        count["records there after a kill"] += there
    process = start(suite, results, launcher)
    document = json.loads(process.communicate(timeout=600)[0])
    assert process.returncode == 0, document
    assert document["failed"] == []
    assert document["before"] + document["made"] == document["cells"] == CELLS, document
    count["made by the last call"] += document["made"]
    return count


def main() -> None:
    """Run the rounds, and print a line for each and the sums."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--launcher", default="local")
    parser.add_argument("--kills", type=int, default=1, help="sweeps that are killed in a round")
    options = parser.parse_args()
    chance, total = random.Random(options.seed), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder) / "small-v1.toml"
        suite.write_text(SUITE, encoding="utf-8")
        before = time.monotonic()
        start(suite, Path(folder) / "undisturbed", options.launcher).communicate()
        alone = time.monotonic() - before
        expected = figures(Path(folder) / "undisturbed")
        assert len(expected) == CELLS
        print(f"undisturbed: {CELLS} cells in {alone:.1f} s", flush=True)
        for number in range(options.rounds):
            results = Path(folder) / f"round-{number}"
            count = one_round(suite, results, chance, options.launcher, options.kills)
            assert figures(results) == expected, f"round {number}: other figures"
            assert not list(results.rglob("*.unfinished")), number
            assert not list(results.glob("records/.*.tmp")), number
            total += count
            print(f"round {number}: {dict(count)}", flush=True)
    print(f"{options.rounds} rounds, every one complete, with the figures of the undisturbed sweep: {dict(total)}")


if __name__ == "__main__":
    main()
