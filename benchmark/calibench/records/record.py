"""ResultRecord: one run as one JSON file, with its predictions beside it; imports no torch, so a board rebuilds anywhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from calibench.errors import InputError
from calibench.records.fields import fits

SCHEMA = "calibench.record/1"


@dataclass(frozen=True)
class ResultRecord:
    """What one run found and all that decided it. Figures are fractions (nats for NLL); None is an undefined figure."""

    run_id: str
    recipe: str
    dataset: str
    model: str
    seed: int
    noise: str | None
    backend: str
    n: dict[str, int]
    metrics: dict[str, float | None]
    intervals: dict[str, list[float] | None]
    noise_floor: dict[str, dict[str, float]]
    timings_s: dict[str, float]
    versions: dict[str, str]
    units: dict[str, dict[str, Any]] = field(default_factory=dict)
    """For each metric its unit, which direction is better, and whether it may rank."""
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    fitted: list[dict[str, Any]] = field(default_factory=list)
    """For each stage what it learned: the epoch kept and its validation NLL, a temperature."""
    config: dict[str, Any] = field(default_factory=dict)
    seeds: dict[str, int] = field(default_factory=dict)
    bootstrap: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    cache: dict[str, list[str]] = field(default_factory=dict)
    shift: list[dict[str, Any]] = field(default_factory=list)
    """A row for each variant of each shift that was asked for; their means are in `metrics`."""
    ood: list[dict[str, Any]] = field(default_factory=list)
    """A row for each OOD set and score; near and far means are in `metrics`."""
    predictions: dict[str, str] | None = None
    created: str = ""
    preset: dict[str, Any] | None = None
    """The preset that asked for the run: its name, the SHA-256 of its text, and what was changed."""
    schema: str = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        """The JSON document, `schema` first."""
        document = dataclasses.asdict(self)
        return {"schema": document.pop("schema"), **document}

    def __getitem__(self, key: str) -> Any:
        """The document's entry, so that `record["metrics"]` reads as the JSON does."""
        return self.to_dict()[key]

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str) -> ResultRecord:
        """The record that a JSON document holds; InputError naming `where` when it is no record of ours."""
        if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
            schema = document.get("schema") if isinstance(document, Mapping) else None
            raise InputError(f"{where}: its schema is {schema!r}, not {SCHEMA!r}", "is it a record of another version?")
        names = {f.name: f for f in dataclasses.fields(cls)}
        missing = [
            name
            for name, f in names.items()
            if name not in document and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        ]
        if missing:
            raise InputError(f"{where}: the record has no {', '.join(missing)}", "run it again with --force")
        bad = next((name for name in names if name in document and not fits(name, document[name])), None)
        if bad is not None:
            raise InputError(f"{where}: {bad!r} is not what a record holds there", "run it again with --force")
        return cls(**{name: document[name] for name in names if name in document})
