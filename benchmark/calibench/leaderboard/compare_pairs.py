"""The runs of two sides in pairs: by dataset, model, noise and seed, and in two folders by recipe too."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from calibench.leaderboard.comparison import ChangedRun
from calibench.records.record import ResultRecord

MOST_DIFFERENCES = 6
"""So many differences of a configuration are listed."""


class StoredRun(NamedTuple):
    """A record, and the results folder that holds it."""

    record: ResultRecord
    folder: Path


@dataclass(frozen=True)
class Pair:
    """A row of a comparison: the runs of both sides, one a seed, in the order of the seeds."""

    a: tuple[StoredRun, ...]
    b: tuple[StoredRun, ...]
    recipe: str | None = None

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that both sides have."""
        return tuple(run.record.seed for run in self.a)

    @property
    def unpaired(self) -> str:
        """Why no sample of A is one of B; empty if they are paired."""
        for one, other in zip(self.a, self.b, strict=True):
            if one.record.n.get("test") != other.record.n.get("test") or _test(one) != _test(other):
                return "other test samples"
            if _stream(one) != _stream(other):
                return "another bootstrap seed, stream or number of resamples"
        return ""


@dataclass(frozen=True)
class Pairing:
    """All pairs, the runs that have no partner, by their ids, and the paired runs that differ in more than their code."""

    pairs: tuple[Pair, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    changed: tuple[ChangedRun, ...] = ()


def pairs_of_recipes(a: Sequence[StoredRun], b: Sequence[StoredRun]) -> Pairing:
    """Runs on the same data, before noise, with one model, noise and seed. Two paths to equal data are one dataset."""
    return _paired(a, b, _task, None)


def pairs_of_folders(a: Sequence[StoredRun], b: Sequence[StoredRun]) -> Pairing:
    """Runs of one recipe on what has one name on both sides, with the seed; data that have changed are listed."""
    return _paired(a, b, _name, 3)


def pair_of_runs(a: StoredRun, b: StoredRun) -> Pairing:
    """Two runs as one pair, whatever their seeds."""
    return Pairing((Pair((a,), (b,)),), (), ())


def _task(run: StoredRun) -> tuple[Hashable, ...]:
    record = run.record
    return str(record.data.get("clean_fingerprint") or record.dataset), record.model, record.noise or ""


def _paired(a: Sequence[StoredRun], b: Sequence[StoredRun], key: Any, recipe: int | None) -> Pairing:
    sides = [_newest(side, key) for side in (a, b)]
    shared = [place for place in sides[0] if place in sides[1]]
    rows: dict[tuple[Hashable, ...], list[int]] = {}
    for task, seed in sorted(shared, key=lambda place: (_name(sides[0][place]), place[1])):
        rows.setdefault(task, []).append(seed)
    pairs = tuple(
        Pair(
            tuple(sides[0][task, seed] for seed in sorted(seeds)),
            tuple(sides[1][task, seed] for seed in sorted(seeds)),
            None if recipe is None else str(task[recipe]),
        )
        for task, seeds in rows.items()
    )
    only = [tuple(sorted(run.record.run_id for place, run in side.items() if place not in shared)) for side in sides]
    changed = () if recipe is None else tuple(_changed_runs(sides[0][place], sides[1][place]) for place in shared)
    return Pairing(pairs, only[0], only[1], tuple(found for found in changed if found.differs))


def _name(run: StoredRun) -> tuple[str, str, str, str]:
    record = run.record
    return record.dataset, record.model, record.noise or "", record.method


def _newest(runs: Sequence[StoredRun], key: Any) -> dict[tuple[tuple[Hashable, ...], int], StoredRun]:
    """Of several runs in one place the newest, as on a board."""
    return {(key(run), run.record.seed): run for run in sorted(runs, key=lambda run: run.record.created)}


def _changed_runs(a: StoredRun, b: StoredRun) -> ChangedRun:
    lines = list(_differences(_protocol(a.record), _protocol(b.record)))
    more = [f"and {len(lines) - MOST_DIFFERENCES} more"] if len(lines) > MOST_DIFFERENCES else []
    return ChangedRun(a.record.run_id, (*lines[:MOST_DIFFERENCES], *more))


def _protocol(record: ResultRecord) -> dict[str, Any]:
    """What decides a run besides its code, and on what it was judged."""
    config = {key: value for key, value in record.config.items() if key != "stages"}
    stages = record.config.get("stages")
    for number, stage in enumerate(stages if isinstance(stages, list) else ()):
        if isinstance(stage, Mapping):
            config[str(stage.get("name", number))] = stage.get("params")
    digests = {name: record.data.get(name) for name in ("clean_fingerprint", "fingerprint", "test_fingerprint")}
    return {**config, "data": digests, "samples": dict(record.n)}


def _differences(a: Any, b: Any, where: str = "") -> Iterator[str]:
    """A line for each value that differs, with its place."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for name in dict.fromkeys([*a, *b]):
            yield from _differences(a.get(name), b.get(name), f"{where}.{name}" if where else str(name))
    elif a != b:
        yield f"{where}: {_short(a)} -> {_short(b)}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 24 else f"{text[:12]}..."


def _test(run: StoredRun) -> str:
    """The digest of the test samples; of a record without one, that of the data."""
    data = run.record.data
    return str(data.get("test_fingerprint") or data.get("clean_fingerprint"))


def _stream(run: StoredRun) -> tuple[Any, ...]:
    return tuple(run.record.bootstrap.get(name) for name in ("seed", "resamples", "stream"))
