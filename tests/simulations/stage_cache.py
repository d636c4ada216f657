"""Seconds of quick-v1 with the stage cache and without it, in one process on one CPU thread: a table of docs/scale.md.

Both sides make every run of the suite by the same function. With the cache they share one folder of results; without it each
run has an empty folder of its own, so that it trains all its stages. The figures of both must be equal.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

from calibench.config.run_config import RunConfig
from calibench.config.suite import load_suite
from calibench.errors import CalibenchError
from calibench.kernels import set_threads
from calibench.records.record import ResultRecord
from calibench.runs.options import RunOptions
from calibench.runs.run import run_config


def main() -> None:
    """Print the seconds of both sides, their ratio, and how many runs gave other figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", nargs="?", default="quick-v1")
    parser.add_argument("--seed", type=int, action="append", help="only the runs of this seed; repeatable")
    words = parser.parse_args()
    set_threads(1)
    configs = [config for config in load_suite(words.suite).configs() if not words.seed or config.seed in words.seed]
    shared = alone = 0.0
    runs = failed = unequal = 0
    with tempfile.TemporaryDirectory() as folder:
        for config in configs:
            with tempfile.TemporaryDirectory() as own:
                without, seconds = timed(config, Path(own))
            alone += seconds
            with_cache, seconds = timed(config, Path(folder))
            shared += seconds
            runs += 1
            failed += with_cache is None
            unequal += figures(with_cache) != figures(without)
    print(f"{words.suite}: {runs} runs, {failed} of which fail, torch {torch.__version__}")
    print(f"with the stage cache {shared:.0f} s, without it {alone:.0f} s: {alone / shared:.2f} times")
    print(f"runs with other figures: {unequal}")
    if unequal:
        raise SystemExit(1)


def timed(config: RunConfig, results: Path) -> tuple[ResultRecord | None, float]:
    """The record, or None for a run that fails, and the CPU seconds that it took."""
    start = time.process_time()
    try:
        record, _ = run_config(config, RunOptions(results=results))
    except CalibenchError:
        record = None
    return record, time.process_time() - start


def figures(record: ResultRecord | None) -> object:
    """What both sides must agree in."""
    return None if record is None else (record.run_id, record.metrics, record.intervals)


if __name__ == "__main__":
    main()
