"""The table of classes: how many samples each has, what was predicted, and how often that is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calibench.lazy import np
from calibench.metrics.judged import Judged
from calibench.report.format import NOTHING, figure
from calibench.report.site.table import Cell, Head, Line, Table

MOST = 50
"""The classes with the largest gaps are shown, so many at most."""


def class_table(runs: Sequence[Judged], names: Sequence[str], identity: str) -> Table | None:
    """A row a class, figures are means over the seeds `runs`; None where samples have several labels."""
    if runs[0].labels_per_sample > 1 or runs[0].top_label_only:
        return None
    classes = runs[0].num_classes
    counts = np.mean([np.bincount(judged.labels, minlength=classes) for judged in runs], axis=0)
    mass = np.mean([judged.probs.sum(axis=0) for judged in runs], axis=0)
    said = np.mean([np.bincount(judged.prediction, minlength=classes) for judged in runs], axis=0)
    hits = np.mean([np.bincount(judged.labels[judged.is_correct], minlength=classes) for judged in runs], axis=0)
    n = runs[0].n
    gaps = (mass - counts) / n
    order = np.argsort(-np.abs(gaps), kind="stable")[:MOST]
    lines = []
    for k in sorted(order) if classes <= MOST else order:
        name = names[k] if k < len(names) else str(k)
        lines.append(
            Line(
                [
                    Cell(name, value=None if k < len(names) else float(k)),
                    Cell(f"{counts[k]:g}", value=float(counts[k])),
                    _percent(counts[k] / n),
                    _percent(mass[k] / n),
                    Cell(f"{100 * gaps[k]:+.2f}", value=float(gaps[k])),
                    _percent(hits[k] / counts[k] if counts[k] else None),
                    _percent(hits[k] / said[k] if said[k] else None),
                ]
            )
        )
    heads = [
        Head("class", left=True),
        Head("samples", better="higher"),
        Head("observed %", better="higher"),
        Head("predicted %", better="higher"),
        Head("gap pp", better="higher"),
        Head("recall %", better="higher"),
        Head("precision %", better="higher"),
    ]
    notes = ["predicted: the mean probability of the class; gap: predicted less observed, in percentage points"]
    if classes > MOST:
        notes.append(f"the {MOST} classes with the largest gaps, of {classes}")
    return Table(identity, "Classes", heads, lines, notes)


def label_table(labels: Sequence[Mapping[str, Any]], identity: str) -> Table:
    """A row a label, of a run whose samples have several, from its record."""
    heads = [
        Head("label", left=True),
        Head("verdict", left=True),
        Head("predicted", better="higher"),
        Head("observed", better="higher"),
    ]
    lines = [
        Line(
            [
                Cell(str(label.get("name"))),
                Cell(str(label.get("calibrated", NOTHING)).replace("_", " ")),
                Cell(f"{label['predicted']:.1f}", value=float(label["predicted"])),
                Cell(f"{label['observed']:g}", value=float(label["observed"])),
            ]
        )
        for label in labels
    ]
    return Table(identity, "Labels", heads, lines)


def _percent(value: float | None) -> Cell:
    return Cell(NOTHING) if value is None else Cell(figure(float(value), "fraction"), value=float(value))
