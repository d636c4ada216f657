"""A whole judgement beside what a user would write today: seconds, memory for each sample, and growth with N and K."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch

from calibench.bench import suite
from calibench.bench.case import OURS, Case, Shape
from calibench.bench.ops import JUDGE
from calibench.bench.suite import Options, Report
from calibench.records import schemas

PROMISED_CONSTANT = 64 << 20
PROMISED_PER_SAMPLE = 64
"""Extra bytes of one judgement, beyond the scores: at most 64 N + 64 MiB."""

SCALING: Mapping[str, tuple[Shape, ...]] = {
    "N": ((1000, 10), (10_000, 10), (100_000, 10), (1_000_000, 10)),
    "K": ((10_000, 2), (10_000, 10), (10_000, 100), (10_000, 1000)),
}
"""Shapes of `--scaling`, by what varies."""

UNITS = {
    "extra_bytes_per_sample": "extra_bytes beyond memory_promise.constant_bytes, divided by N; 0 where there are none",
    "growth_time": "median / median of the shape before",
    "growth_scores": "N x K / N x K of the shape before; time grows linearly where growth_time is the same or less",
}


def run(options: Options | None = None, report: Report | None = None, *, scaling: bool = False) -> dict[str, Any]:
    """Runs these cases and returns the document `calibench.bench-judge/1`.

    With `scaling` ours is also timed alone at the shapes of `SCALING`. InputError for an unknown name.
    """
    options, report = options or Options(), report or (lambda *progress: None)
    document = suite.run_cases(suite.cases(options, JUDGE), options, report)
    return {
        **document,
        "schema": schemas.BENCH_JUDGE,
        "options": {**document["options"], "scaling": scaling},
        "units": {**document["units"], **UNITS},
        "memory_promise": {"constant_bytes": PROMISED_CONSTANT, "bytes_per_sample": PROMISED_PER_SAMPLE},
        "cases": [_with_bytes_per_sample(entry) for entry in document["cases"]],
        "scaling": run_scaling(options, report) if scaling else None,
    }


def run_scaling(options: Options, report: Report) -> dict[str, list[dict[str, Any]]]:
    """Times of ours at the shapes of `SCALING`, each measured once, with the growth from the shape before."""
    (op,), dtypes = JUDGE.values(), options.dtypes
    dtype = suite.DTYPES[dtypes[0]] if dtypes else op.dtypes[0]
    shapes = dict.fromkeys(shape for series in SCALING.values() for shape in series)
    alone = replace(options, peers=False, memory=False)
    selection = [Case(op, shape, dtype, torch.device(options.device)) for shape in shapes]
    entries = dict(zip(shapes, suite.run_cases(selection, alone, report)["cases"], strict=True))
    return {varies: _grown([entries[shape] for shape in series]) for varies, series in SCALING.items()}


def _grown(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The times of ours in each entry, and how many times those of the entry before."""
    rows = [_scaling_row(entry) for entry in entries]
    for before, row in pairwise(rows):
        above, below = row["median_s"], before["median_s"]
        row["growth_time"] = above / below if above is not None and below else None
        row["growth_scores"] = row["rows"] * row["columns"] / (before["rows"] * before["columns"])
    return rows


def _scaling_row(entry: dict[str, Any]) -> dict[str, Any]:
    shared = {name: entry[name] for name in ("rows", "columns", "dtype", "steal", "others")}
    ours = next(contender for contender in entry["contenders"] if contender["name"] == OURS)
    times = {name: ours[name] for name in ("error", "n", "calls", "median_s", "quartiles_s", "samples_s")}
    return {**shared, **times, "growth_time": None, "growth_scores": None}


def _with_bytes_per_sample(entry: dict[str, Any]) -> dict[str, Any]:
    def extended(memory: dict[str, Any] | None) -> dict[str, Any] | None:
        if memory is None:
            return None
        extra = memory["extra_bytes"]
        beyond = None if extra is None else max(0, extra - PROMISED_CONSTANT) / entry["rows"]
        return {**memory, "extra_bytes_per_sample": beyond}

    contenders = [{**contender, "memory": extended(contender["memory"])} for contender in entry["contenders"]]
    return {**entry, "contenders": contenders}
