"""Verify that a folder of entries is whole: every run of a suite has a record, or has failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from calibench.leaderboard.suite_runs import missing_runs
from calibench.records.failed_cells import FailedCell
from calibench.records.record import ResultRecord
from calibench.runs.verify_claims import Suites

MOST = 3
"""So many missing runs are named."""


def missing_of_suites(records: Iterable[ResultRecord], failed: Iterable[FailedCell], suites: Suites) -> Iterator[str]:
    """A sentence for each suite of which the records claim some runs, and neither records nor failures hold the others."""
    records, failed = list(records), list(failed)
    presets = [record.preset or {} for record in records]
    claims = [preset for preset in presets if preset.get("suite") and not preset.get("changed")]
    for name, sha256 in sorted({(str(preset.get("name")), str(preset.get("sha256"))) for preset in claims}):
        suite = suites.get(name)
        here = suite is not None and suite.sha256 == sha256
        missing = missing_runs(suite, records, failed) if here and suite is not None else []
        if missing:
            labels = [f"{config.recipe} on {config.dataset.text()}, seed {config.seed}" for config in missing[:MOST]]
            more = f" and {len(missing) - MOST} more" if len(missing) > MOST else ""
            yield f"{len(missing)} runs of suite {name} have neither a record nor a failure: {'; '.join(labels)}{more}"
