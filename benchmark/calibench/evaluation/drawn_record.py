"""Evaluation records as pictures and as one page: before and after a fit, one or several files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from calibench.errors import InputError
from calibench.metrics.judged import Judged
from calibench.report.diagram import Panel, reliability_diagram
from calibench.report.pictures import Drawn, draw_pictures, kinds_of

DIAGRAM = "reliability"
"""By itself this kind is the diagram with counts below it."""


class JudgedRecord(Protocol):
    """What the pictures take of an `EvaluationRecord`, whose methods draw itself."""

    @property
    def metrics(self) -> dict[str, float | None]: ...  # noqa: D102 - the record has the docstrings
    @property
    def class_names(self) -> list[str] | None: ...  # noqa: D102
    @property
    def fit(self) -> dict[str, Any] | None: ...  # noqa: D102
    @property
    def after(self) -> dict[str, Any] | None: ...  # noqa: D102
    @property
    def judged(self) -> Judged | None: ...  # noqa: D102
    @property
    def judged_after(self) -> Judged | None: ...  # noqa: D102

    def to_dict(self) -> dict[str, Any]:
        """The document."""


def draw_records(records: Mapping[Path, JudgedRecord], kind: str, path: Path) -> None:
    """Draw the pictures `kind`, names joined by commas, of each record into one file; `reliability` alone has counts below it."""
    kinds = kinds_of(kind)
    if kinds == [DIAGRAM]:
        reliability_diagram(_panels(records), path)
        return
    draw_pictures(
        [part for name, record in records.items() for part in _drawn(record, name, len(records) > 1)], kinds, path
    )


def report_records(records: Mapping[Path, JudgedRecord], path: Path) -> None:
    """Write the page of all records to `path`, which ends in .html."""
    from calibench.report.html_page import write_report

    drawn = [list(_drawn(record, name, False)) for name, record in records.items()]
    if not all(drawn):
        raise InputError("a report draws samples, and this record has none", "evaluate the samples themselves")
    write_report([record.to_dict() for record in records.values()], drawn, path)


def _drawn(record: JudgedRecord, name: Path, several: bool) -> Iterator[Drawn]:
    """The judgements of a record: as it is, and after a fit."""
    file = f"{name.stem}, " if several else ""
    names = tuple(record.class_names or ())
    document = record.to_dict()
    level = document["bootstrap"]["level"]
    if record.judged is not None:
        title = name.name if record.after is None and several else "" if record.after is None else f"{file}before"
        yield Drawn(title, record.judged, document, names, level)
    if record.after is not None and record.fit is not None and record.judged_after is not None:
        yield Drawn(f"{file}after {record.fit['recipe']}", record.judged_after, record.after, names, level)


def _panels(records: Mapping[Path, JudgedRecord]) -> list[Panel]:
    """A diagram for each file; two after a fit, named before and after."""
    panels = []
    for file, record in records.items():
        prefix = f"{file.stem}, " if len(records) > 1 else ""
        if record.judged is not None:
            title = file.name if record.after is None else f"{prefix}before"
            panels.append(Panel(title, record.judged, record.metrics.get("ece15")))
        if record.after is not None and record.fit is not None and record.judged_after is not None:
            title = f"{prefix}after {record.fit['recipe']}"
            panels.append(Panel(title, record.judged_after, record.after["metrics"].get("ece15")))
    return panels
