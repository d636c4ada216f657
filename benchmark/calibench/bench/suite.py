"""Chooses the cases, runs them, and makes the JSON document."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import torch

from calibench.bench import memory, noise
from calibench.bench.agreement import Difference, compare, scalars
from calibench.bench.case import FLOOR, OURS, Case, Op, Shape
from calibench.bench.ops import OPS
from calibench.bench.runner import Timing, time_case
from calibench.errors import InputError, did_you_mean
from calibench.kernels import backend
from calibench.kernels.checks import dtype_name
from calibench.records import schemas

SCHEMA = schemas.BENCH

DTYPES = {dtype_name(dtype): dtype for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16)}

UNITS = {
    "median_s": "seconds a call, of the whole work (a contender's `scale` is multiplied in)",
    "quartiles_s": "first and third quartile in seconds over the n rounds; null for n < 3",
    "floor_ratio": "median / median of reading the scores once with x.sum()",
    "ours_ratio": "median / ours: how many times as long as ours it takes; null where its answer differs from ours",
    "extra_bytes": "peak bytes during one call, its result included, beyond those held before it",
    "memory_resolution_bytes": "how far extra_bytes may be off",
    "share_of_scores": "extra_bytes / bytes of the inputs' first tensor, the scores",
    "difference": "absolute, the largest of an array's entries, or the share of entries that differ where they are integers; "
    "null where the two cannot be compared",
    "steal": "share of all cores' time that other virtual machines took",
    "others": "share of all cores' time that other processes took",
}

Report = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Options:
    """Options of `calibench bench kernels` and `judge`; an empty tuple means the choice of each op."""

    ops: tuple[str, ...] = ()
    shapes: tuple[Shape, ...] = ()
    dtypes: tuple[str, ...] = ()
    contenders: tuple[str, ...] = ()
    peers: bool = False
    repeats: int = 20
    budget_s: float = 5.0
    memory: bool = True
    device: str = "cpu"


def cases(options: Options, ops: Mapping[str, Op] = OPS) -> list[Case]:
    """The cases of these options, in the order of `ops`; InputError for an unknown name."""
    _check_names("op", options.ops, ops)
    _check_names("dtype", options.dtypes, DTYPES)
    device = torch.device(options.device)
    selection = []
    for op in (ops[name] for name in dict.fromkeys(options.ops or ops)):
        dtypes = [DTYPES[name] for name in dict.fromkeys(options.dtypes)] or op.dtypes
        shapes = tuple(dict.fromkeys(options.shapes)) or op.shapes
        selection += [Case(op, shape, dtype, device) for shape in shapes for dtype in dtypes]
    _check_contenders(selection, options)
    return selection


def _check_names(kind: str, names: Sequence[str], choices: Mapping[str, Any]) -> None:
    for name in names:
        if name not in choices:
            raise InputError(f"there is no {kind} {name!r} to benchmark", did_you_mean(name, choices))


def run(options: Options, report: Report) -> dict[str, Any]:
    """Runs the cases of these options and returns the document `calibench.bench/1`."""
    return run_cases(cases(options), options, report)


def run_cases(selection: Sequence[Case], options: Options, report: Report) -> dict[str, Any]:
    """Runs these cases and returns the document `calibench.bench/1`."""
    facts = noise.surroundings(torch.get_num_threads(), options.device)
    start, load_before = noise.ticks(), noise.load()
    entries = [_run_case(case, options, report) for case in selection]
    return {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "options": asdict(options),
        **facts,
        "noise": {"load_before": load_before, "load_after": noise.load(), **noise.between(start, noise.ticks())},
        "memory_resolution_bytes": memory.resolution(torch.get_num_threads()) if options.device == "cpu" else 1,
        "units": UNITS,
        "cases": entries,
    }


def _run_case(case: Case, options: Options, report: Report) -> dict[str, Any]:
    contenders = case.contenders(options.peers, options.contenders)
    before, inputs = noise.ticks(), case.inputs()
    timings = time_case(
        case,
        inputs,
        contenders,
        options.repeats,
        options.budget_s,
        lambda done, total, name: report(case.label, done, total, name),
    )
    shares, size = noise.between(before, noise.ticks()), inputs[0].nbytes
    del inputs  # the measuring process makes its own
    uses: dict[str, memory.MemoryUse] = {}
    if options.memory:
        report(case.label, 1, 1, "memory")
        successful = {timing.contender.name for timing in timings if timing.error is None} - {FLOOR}
        uses = memory.measure(case, [contender for contender in contenders if contender.name in successful])
    return _entry(case, size, timings, uses, shares)


def _entry(
    case: Case, size: int, timings: Sequence[Timing], uses: dict[str, memory.MemoryUse], shares: dict[str, float | None]
) -> dict[str, Any]:
    floor = next(timing for timing in timings if timing.contender.name == FLOOR)
    ours = next(timing for timing in timings if timing.contender.name == OURS)
    return {
        "op": case.op.name,
        "answers": case.op.answers,
        "rows": case.shape[0],
        "columns": case.shape[1],
        "dtype": dtype_name(case.dtype),
        "device": str(case.device),
        "kernels": backend(case.device, case.op.operator),
        "score_bytes": size,
        "headline": case.op.headline,
        **shares,
        "floor": _times(floor) | {"bytes_per_s": size / floor.median if floor.median else None},
        "contenders": [
            _contender(case, timing, ours, floor) | {"memory": _memory(uses.get(timing.contender.name), size)}
            for timing in timings
            if timing is not floor
        ],
    }


def _contender(case: Case, timing: Timing, ours: Timing, floor: Timing) -> dict[str, Any]:
    contender = timing.contender
    both_answered = timing.error is None and ours.error is None
    differences = compare(timing.figures, ours.figures, case.op.tolerance(case.shape)) if both_answered else []
    agrees = all(difference.accepted for difference in differences) if differences else None
    return {
        "name": contender.name,
        "note": contender.note,
        "peer": contender.peer,
        "error": timing.error,
        "scale": contender.scale,
        **_times(timing),
        "floor_ratio": _ratio(timing, floor),
        # A faster way to a different answer is not faster.
        "ours_ratio": _ratio(timing, ours) if agrees else None,
        "agrees": agrees,
        "differences": [_difference(d) for d in differences],
        "figures": scalars(timing.figures),
    }


def _memory(use: memory.MemoryUse | None, score_bytes: int) -> dict[str, Any] | None:
    if use is None:
        return None
    share = use.extra_bytes / score_bytes if use.extra_bytes is not None and score_bytes else None
    return {**asdict(use), "share_of_scores": share}


def _difference(difference: Difference) -> dict[str, Any]:
    distance = difference.difference if math.isfinite(difference.difference) else None
    return {**asdict(difference), "difference": distance, "accepted": difference.accepted}


def _times(timing: Timing) -> dict[str, Any]:
    return {
        "n": len(timing.seconds),
        "calls": timing.calls,
        "median_s": timing.median,
        "quartiles_s": None if timing.quartiles is None else list(timing.quartiles),
        "samples_s": timing.seconds,
    }


def _ratio(above: Timing, below: Timing) -> float | None:
    return above.median / below.median if above.median is not None and below.median else None


def _check_contenders(selection: Sequence[Case], options: Options) -> None:
    contenders = {contender.name: contender for case in selection for contender in case.op.contenders(case.shape)}
    for name in options.contenders:
        if name not in contenders:
            raise InputError(f"there is no contender {name!r} in these cases", did_you_mean(name, contenders))
        if contenders[name].peer and not options.peers:
            raise InputError(f"{name!r} takes part only with --peers", "add --peers")
