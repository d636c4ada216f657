"""Training curves of stored runs, as rows that the terminal, CSV, JSON and SVG share."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from calibench.errors import InputError, did_you_mean
from calibench.records import schemas
from calibench.records.record import ResultRecord
from calibench.report.format import guarded, json_text

SERIES = {"val_nll": "NLL of val (nats)", "train_loss": "loss of train"}
"""The series of a curve, and the words on its axis."""

HEAD = ("run_id", "recipe", "dataset", "seed", "stage", "member", "epoch", *SERIES, "kept")


@dataclass(frozen=True)
class TrainingCurve:
    """One training of a run: the epochs that the record holds, the numbers of each series, the epoch whose weights were kept."""

    run_id: str
    recipe: str
    dataset: str
    seed: int
    stage: str
    member: int | None
    epochs: tuple[int, ...]
    series: dict[str, tuple[float, ...]]
    kept: int | None

    @property
    def name(self) -> str:
        """`vtst, seed 0, member 2`: what tells the curve from others of its stage."""
        member = "" if self.member is None else f", member {self.member}"
        return f"{self.recipe}, seed {self.seed}{member}"


def training_curves(record: ResultRecord) -> list[TrainingCurve]:
    """The curves of a run. InputError if the record holds none: of an earlier version, or of a model that came trained."""
    if not record.curves:
        trained = any(entry.get("trained") for entry in record.fitted)
        why = "it was made by an earlier version" if trained else "no stage of it trains"
        hint = "run it again with --force" if trained else "name a run with a stage that trains, such as ce or vtst"
        raise InputError(f"run {record.run_id} holds no training curve: {why}", hint)
    kept = {(str(entry.get("stage")), entry.get("member")): entry.get("epoch") for entry in record.fitted}
    return [_curve(record, stored, kept.get((str(stored["stage"]), stored.get("member")))) for stored in record.curves]


def _curve(record: ResultRecord, stored: dict[str, Any], kept: Any) -> TrainingCurve:
    series = {name: tuple(map(float, stored[name])) for name in SERIES if name in stored}
    member = stored.get("member")
    return TrainingCurve(
        record.run_id,
        record.recipe,
        record.dataset,
        record.seed,
        str(stored["stage"]),
        member if isinstance(member, int) else None,
        tuple(stored["epochs"]),
        series,
        int(kept) if isinstance(kept, int | float) else None,
    )


def of_stage(curves: Sequence[TrainingCurve], stage: str | None) -> list[TrainingCurve]:
    """The curves of one stage, all for None. InputError if no run trained it."""
    if stage is None:
        return list(curves)
    names = {curve.stage for curve in curves}
    if stage not in names:
        raise InputError(f"no run trained a stage {stage!r}", did_you_mean(stage, names))
    return [curve for curve in curves if curve.stage == stage]


def merged(curves: Sequence[TrainingCurve]) -> list[TrainingCurve]:
    """The curves with each training once: recipes that share a training share its name, as `ce and vtst, seed 0`."""
    found: dict[Any, list[TrainingCurve]] = {}
    for curve in curves:
        key = curve.stage, curve.dataset, curve.seed, curve.member, curve.epochs, tuple(curve.series.items())
        found.setdefault(key, []).append(curve)
    return [
        dataclasses.replace(same[0], recipe=" and ".join(dict.fromkeys(curve.recipe for curve in same)))
        for same in found.values()
    ]


def curves_json(curves: Iterable[TrainingCurve]) -> str:
    """A JSON document with a list of curves, ending in a newline."""
    listed = [
        {
            "run_id": curve.run_id,
            "recipe": curve.recipe,
            "dataset": curve.dataset,
            "seed": curve.seed,
            "stage": curve.stage,
            "member": curve.member,
            "kept": curve.kept,
            "epochs": list(curve.epochs),
            **{name: list(values) for name, values in curve.series.items()},
        }
        for curve in curves
    ]
    return (
        json_text(json.dumps({"schema": schemas.CURVES, "curves": listed}, ensure_ascii=False, allow_nan=False)) + "\n"
    )


def curves_csv(curves: Iterable[TrainingCurve]) -> str:
    """A line for each epoch of each curve. `kept` is true for the epoch whose weights were kept."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEAD)
    for curve in curves:
        member = "" if curve.member is None else curve.member
        who = (curve.run_id, curve.recipe, curve.dataset, curve.seed, curve.stage, member)
        for place, epoch in enumerate(curve.epochs):
            values = [curve.series[name][place] if name in curve.series else "" for name in SERIES]
            cells = (*who, epoch, *values, str(epoch == curve.kept).lower())
            writer.writerow([guarded(cell) for cell in cells])
    return text.getvalue()
