"""From results folders to a static site, and from a stored run to its page."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from calibench.atomic import replacing, writable_folder
from calibench.config.suite import Suite, load_suite
from calibench.errors import InputError
from calibench.evaluation.stored_run import judged_again, replicates_again
from calibench.leaderboard.folder_boards import Rule, folder_boards
from calibench.leaderboard.replicates import Replicates
from calibench.leaderboard.suite_runs import is_run_of
from calibench.metrics.judged import Judged
from calibench.progress import Report, quiet
from calibench.records import store
from calibench.records.find import find_record_by_id
from calibench.records.record import ResultRecord
from calibench.report.site.folder import SiteFolder
from calibench.report.site.pages import run_page
from calibench.report.site.protocol import SuiteFacts
from calibench.report.site.write import write_folders

ENDINGS = (".html", ".htm")


def write_site(
    out: str | Path,
    results: str | Path | Sequence[str | Path] = "results",
    suite: str | Path | None = None,
    *,
    metric: str | None = None,
    base: str | None = None,
    report: Report = quiet,
) -> list[Path]:
    """Write a static site of the boards in one or several results folders into the folder `out`; returns its files.

    A folder without records stands for those in it, as `leaderboards`. With `suite` the site has the runs of that suite alone.
    Boards are ordered by `metric`: by default that of the suite, else the Brier score; `base` is the recipe to compare with.
    Raises InputError if there are no records, or if `out` holds anything but a site.
    """
    paths = [results] if isinstance(results, str | Path) else list(results)
    chosen = None if suite is None else load_suite(suite)
    folders = dict.fromkeys(folder for path in paths for folder in store.folders_of(Path(path)))
    made = [_folder(folder, chosen, Rule(metric, base)) for folder in _with_runs(list(folders), chosen)]
    twice = {folder.title for folder in made if sum(other.address == folder.address for other in made) > 1}
    if twice:
        raise InputError(f"two results folders make a board called {min(twice)!r}", "make a site of each")
    return write_folders(made, Path(out), report)


def _with_runs(folders: Sequence[Path], suite: Suite | None) -> Sequence[Path]:
    """The folders that hold runs of the suite; all of them if none does, so that reading them says what is missing."""
    if suite is None or len(folders) == 1:
        return folders
    marks = {
        folder: [(record.preset or {}).get("sha256") for record in store.read_records(folder)] for folder in folders
    }
    marked = [folder for folder, found in marks.items() if suite.sha256 in found]
    return (
        marked
        or [folder for folder in folders if any(is_run_of(suite, r) for r in store.read_records(folder))]
        or folders
    )


def write_report(run: str | Path, path: str | Path, results: str | Path = "results") -> Path:
    """Write the page of a stored run: an id in `results` (its beginning is enough), or the path of a record. Returns `path`.

    Pictures need the predictions, which lie in the results folder of the record. InputError for an unknown run, a file that is
    no record, and a path that does not end in .html.
    """
    out = Path(path)
    if out.suffix.lower() not in ENDINGS:
        raise InputError(f"cannot write a page to {str(out)!r}", "end it in .html")
    record, folder = _record(run, Path(results))
    writable_folder(out.parent)
    text = run_page(record, _judged(record, folder))
    with replacing(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return out


def _record(run: str | Path, results: Path) -> tuple[ResultRecord, Path]:
    """The record, and the results folder that holds its predictions."""
    file = Path(run)
    if file.suffix == ".json" or file.is_file():
        return store.read_record(file), file.parent.parent if file.parent.name == store.RECORDS else file.parent
    return find_record_by_id(results, str(run)), results


def _judged(record: ResultRecord, folder: Path) -> tuple[list[Judged], str]:
    """The judged test split of a run, or none and the reason."""
    try:
        return [judged_again(record, store.read_predictions(folder, record))], ""
    except InputError as error:
        return [], error.message
    except KeyError as error:
        return [], f"the predictions have no {error}"


def _folder(path: Path, suite: Suite | None, rule: Rule) -> SiteFolder:
    """The records and boards of a results folder; with a suite those of its runs alone."""
    made = folder_boards(path, rule, suite, _resample)
    suite = made.suite

    def judge(record: ResultRecord) -> Judged:
        return judged_again(record, store.read_predictions(path, record))

    title = suite.name if suite else path.resolve().name
    facts = None
    if suite is not None:
        facts = SuiteFacts(suite.name, suite.sha256, suite.summary, suite.text, suite.notes)
    return SiteFolder(title, str(path), made.records, made.boards, made.across, facts, judge)


def _resample(record: ResultRecord, arrays: Mapping[str, Any], metrics: Collection[str]) -> Replicates:
    return replicates_again(record, arrays, metrics)
