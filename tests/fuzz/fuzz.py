"""Fuzz the readers of files and the C++ boundary: `python tests/fuzz/fuzz.py npz csv --seconds 600`; without names all of them.

Each input is a mutation of a file of `corpus/`. A finding is an exception that is no InputError, five seconds without an end, a
crash, or 2 GiB of memory; its input is kept under --keep. One seed gives one course of inputs, as far as the time lets it get.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

CORPUS = FOLDER / "corpus"
LONGEST_S = 5
IMPORTING_S = 120
"""The files of the corpus come first, and import what is needed."""

MOST_MEMORY = 2 << 30
KERNELS = "kernels"
POOL = 200
"""So many inputs that ended otherwise than those before are mutated on."""


class HangError(BaseException):
    """An input took longer than LONGEST_S."""


def _hang(*_: Any) -> None:
    raise HangError(f"no end within {LONGEST_S} s")


def guarded(call: Callable[[], object], longest: float = LONGEST_S) -> str | None:
    """How the call failed, in one line with its place; None if it ended."""
    signal.setitimer(signal.ITIMER_REAL, longest)
    faulthandler.dump_traceback_later(4 * longest, exit=True)  # C++ that hangs hears no signal
    try:
        call()
    except (Exception, HangError) as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        ours = [entry for entry in traceback.extract_tb(error.__traceback__) if "calibench" in entry.filename]
        near = ours[-1] if ours else place
        return (
            f"{type(error).__name__}: {str(error)[:120]!r} at {Path(near.filename).name}:{near.lineno} ({place.name})"
        )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
    return None


def fuzz_reader(name: str, seconds: float, chance: random.Random, keep: Path) -> tuple[int, dict[str, Path]]:
    """The number of inputs, and the findings with the input of the first of each kind."""
    from harnesses import HARNESSES

    harness = HARNESSES[name]
    corpus = [file.read_bytes() for file in sorted((CORPUS / name).iterdir())]
    findings: dict[str, Path] = {}
    current = _kept(keep, f"{name}-current{harness.ending}", b"")
    count, end, sound = 0, time.monotonic() + seconds, len(corpus)
    with tempfile.TemporaryDirectory(prefix="calibench-fuzz-") as folder:
        file = Path(folder) / f"input{harness.ending}"
        while time.monotonic() < end or count < sound:
            content = corpus[count] if count < sound else _next(harness, corpus, chance)
            file.unlink(missing_ok=True)
            file.write_bytes(content)
            current.write_bytes(content)  # stays behind if the process ends
            count += 1
            longest = LONGEST_S if count > sound else IMPORTING_S
            finding = guarded(lambda: harness.run(file), longest) or _too_much_memory()
            if finding is not None and finding.partition(" at ")[2] not in {f.partition(" at ")[2] for f in findings}:
                findings[finding] = _kept(keep, f"{name}-{len(findings)}{harness.ending}", content)
            if chance.random() < 0.02 and len(corpus) < POOL:
                corpus.append(content)  # mutations of mutations
    current.unlink()
    return count, findings


def _next(harness: Any, corpus: list[bytes], chance: random.Random) -> bytes:
    result: bytes = harness.mutation(chance.choice(corpus), corpus, harness.words, chance)
    return result


def fuzz_kernels(seconds: float, chance: random.Random, keep: Path) -> tuple[int, dict[str, Path]]:
    """The same of the operators. The last call stands in a file, for what ends the process."""
    import kernel_harness
    import torch

    torch.manual_seed(chance.randrange(1 << 30))
    keep.mkdir(parents=True, exist_ok=True)
    schemas, findings = kernel_harness.operators(), {}
    assert schemas, "the operators are not built"
    count, end = 0, time.monotonic() + seconds
    with (keep / "last-call.txt").open("w") as last:
        kernel_harness.LAST = last
        while time.monotonic() < end:
            last.seek(0)
            state = chance.getstate()
            finding = guarded(lambda: kernel_harness.run(schemas, chance)) or _too_much_memory()
            count += 1
            if finding is not None and finding not in findings:
                findings[finding] = _kept(keep, f"{KERNELS}-{len(findings)}.txt", repr(state).encode())
    kernel_harness.LAST = None
    return count, findings


def _too_much_memory() -> str | None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return f"MemoryError: {peak >> 20} MiB at the process" if peak > MOST_MEMORY else None


def _kept(keep: Path, name: str, content: bytes) -> Path:
    keep.mkdir(parents=True, exist_ok=True)
    (keep / name).write_bytes(content)
    return keep / name


def fuzz_apart(names: Sequence[str], jobs: int, words: Sequence[str]) -> int:
    """Run each harness in a process of its own, `jobs` at once; 1 if one has findings or ends otherwise."""

    def ended(name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, __file__, name, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    failed = False
    with ThreadPoolExecutor(jobs) as pool:
        for name, process in zip(names, pool.map(ended, names), strict=True):
            print(process.stdout, end="", flush=True)
            if process.returncode:
                failed = True
                print(f"{name}: exit code {process.returncode}\n{process.stderr[-3000:]}", flush=True)
    return int(failed)


def main() -> int:
    """Run the harnesses; 1 if there are findings."""
    from harnesses import HARNESSES

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*HARNESSES, KERNELS, []], help="default: all")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes at once, each with one harness")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="the folder of inputs that failed")
    options = parser.parse_args()
    names = options.names or [*HARNESSES, KERNELS]
    if options.jobs > 1 and len(names) > 1:
        words = ("--seconds", str(options.seconds), "--seed", str(options.seed), "--keep", str(options.keep))
        return fuzz_apart(names, options.jobs, words)
    os.environ["CALIBENCH_MAX_MEMORY"] = "256MB"
    most = MOST_MEMORY + (1 << 30)  # a net: memory that is taken and not touched is not counted as used
    resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    signal.signal(signal.SIGALRM, _hang)
    failed = False
    for name in names:
        chance, start = random.Random(f"{options.seed} {name}"), time.monotonic()
        if name == KERNELS:
            count, findings = fuzz_kernels(options.seconds, chance, options.keep)
        else:
            count, findings = fuzz_reader(name, options.seconds, chance, options.keep)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(
            f"{name}: {count} inputs in {time.monotonic() - start:.0f} s, {len(findings)} findings, peak {peak} MiB",
            flush=True,
        )
        for finding, file in findings.items():
            print(f"  {finding}\n    {file}", flush=True)
        failed = failed or bool(findings)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
