"""What a page states about its figures: when and with what they were made, on which data, and how to cite them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from calibench.records.record import ResultRecord
from calibench.report.site.reproduce import whole_recipe
from calibench.version import __version__

if TYPE_CHECKING:
    from calibench.leaderboard.boards import Board


class Fact(NamedTuple):
    """A line of a list of facts; `code` is shown as code."""

    name: str
    text: str
    code: bool = False


class SuiteFacts(NamedTuple):
    """A suite as pages state it; summary and text are empty where this calibench does not have that version of it."""

    name: str
    sha256: str
    summary: str = ""
    text: str = ""
    notes: tuple[str, ...] = ()


def digest_of_records(records: Iterable[ResultRecord]) -> str:
    """SHA-256 over the records in the order of their ids: it names the figures of a board whatever page shows them."""
    digest = hashlib.sha256()
    for record in sorted(records, key=lambda record: record.run_id):
        document = {**record.to_dict(), "recipe": whole_recipe(record)}
        digest.update(json.dumps(document, sort_keys=True).encode())
    return digest.hexdigest()


def date_of(records: Sequence[ResultRecord]) -> str:
    """The day of the newest run, `2026-11-30`; empty if no record has a date."""
    return max((record.created for record in records), default="")[:10]


def suite_facts(records: Sequence[ResultRecord]) -> list[Fact]:
    """The suites of the runs, each with the checksum of its text."""
    presets = [record.preset or {} for record in records]
    found = {(str(preset["name"]), str(preset["sha256"])) for preset in presets if preset.get("suite")}
    return [Fact(f"suite {name}", f"SHA-256 {sha256}", True) for name, sha256 in sorted(found)]


def facts_of_board(board: Board, records: Sequence[ResultRecord]) -> list[Fact]:
    """The protocol of one board: network, noise, splits, fingerprints, licence and source of the data."""
    return [
        Fact("data set", board.dataset, True),
        Fact("network", board.model, True),
        Fact("label noise in training", board.noise or "none", board.noise is not None),
        *facts_of_data(records),
        *facts_of_intervals(records),
        *facts_of_machine(records),
    ]


def facts_of_data(records: Sequence[ResultRecord]) -> Iterator[Fact]:
    """Samples of each split, classes, fingerprints, licence and source."""
    first = records[0]
    yield Fact("samples", ", ".join(f"{split} {count}" for split, count in first.n.items()))
    data = [record.data for record in records]
    for name, key, code in (
        ("classes", "classes", False),
        ("fingerprint of the data before noise", "clean_fingerprint", True),
        ("fingerprint of the test split", "test_fingerprint", True),
        ("licence", "licence", False),
        ("source", "source", False),
    ):
        values = list(dict.fromkeys(str(facts[key]) for facts in data if facts.get(key)))
        if values:
            yield Fact(name, "; ".join(values), code)


def facts_of_intervals(records: Sequence[ResultRecord]) -> Iterator[Fact]:
    """How the bootstrap was drawn."""
    found = list(
        dict.fromkeys(
            f"{facts.get('resamples')} resamples of the test samples, seed {facts.get('seed')}, "
            f"{facts.get('stream', 'an older stream')}"
            for record in records
            if (facts := record.bootstrap)
        )
    )
    if found:
        yield Fact("bootstrap", "; ".join(found))


def facts_of_machine(records: Sequence[ResultRecord]) -> Iterator[Fact]:
    """Versions, machines, dates, and the digest of the code."""
    yield Fact("dates", _between([record.created[:10] for record in records if record.created]))
    for name in ("calibench", "torch", "python"):
        found = sorted({record.versions[name] for record in records if name in record.versions})
        if found:
            yield Fact(name, ", ".join(found))
    machines = sorted({_machine(record.machine) for record in records if record.machine})
    if machines:
        yield Fact("machine", "; ".join(machines[:3]) + (f" and {len(machines) - 3} more" if len(machines) > 3 else ""))


def _machine(machine: dict[str, Any]) -> str:
    threads = f", {machine['threads']} thread{'s' * (machine['threads'] != 1)}" if machine.get("threads") else ""
    return f"{machine.get('processor', 'unknown processor')}{threads}, {machine.get('device', 'cpu')}"


def _between(days: Sequence[str]) -> str:
    if not days:
        return "not stated"
    return min(days) if min(days) == max(days) else f"{min(days)} to {max(days)}"


class Citation(NamedTuple):
    """A line for a text, and an entry for BibTeX."""

    text: str
    bibtex: str


def citation(title: str, what: str, records: Sequence[ResultRecord]) -> Citation:
    """How to cite a page: its title, the date of its newest run, the versions and the digest of its records."""
    day, digest = date_of(records), digest_of_records(records)
    versions = ", ".join(sorted({record.versions.get("calibench", __version__) for record in records}))
    runs = f"{len(records)} run" + ("s" if len(records) != 1 else "")
    line = f"{what} {title}, {runs}, calibench {versions}, {day}. Records: SHA-256 {digest}."
    key = "".join(sign for sign in title if sign.isascii() and sign.isalnum())[:24] or "board"
    safe = "".join(sign if sign not in "{}\\%$#_&^~" else " " for sign in title)
    bibtex = (
        f"@misc{{calibench-{key}-{digest[:8]},\n  title = {{{what} {safe}}},\n"
        f"  howpublished = {{calibench {versions}, {runs}, records SHA-256 {digest}}},\n"
        f"  year = {{{day[:4]}}},\n  note = {{{day}}}\n}}"
    )
    return Citation(line, bibtex)
