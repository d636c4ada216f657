"""The file of a search, `tuning/NAME.json` in a results folder: every trial that has ended. A killed search goes on from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from calibench.atomic import writable_folder, write_json
from calibench.errors import InputError
from calibench.records import schemas
from calibench.records.reader import read_document

TUNING = "tuning"
"""The folder under a results folder."""


class Trial(NamedTuple):
    """A trial that has ended: what the sampler drew, the values that were tried, the score on val or the reason for none."""

    drawn: dict[str, Any]
    values: dict[str, Any]
    score: float | None
    failed: str = ""


class TrialLog:
    """The trials of one search, in memory and, with a `path`, in a file that is replaced whole after each.

    `about` says what is searched, on what, by which code: a file about something else is begun anew.
    """

    def __init__(self, path: Path | None, about: dict[str, Any]) -> None:
        self.path, self.about = path, about
        self.as_given: Trial | None = None
        """The configuration without a search, scored as a trial is; None before that."""
        self.trials: list[Trial] = []
        if path is not None and path.is_file():
            self._read(path)

    def _read(self, path: Path) -> None:
        """Take the trials of the file if it is about this search; a damaged file is begun anew."""
        try:
            document = read_document(path)
            if document["about"] != self.about or document["schema"] != schemas.TUNING:
                return
            trials = [Trial(*(trial[name] for name in Trial._fields)) for trial in document["trials"]]
            self.as_given, self.trials = Trial(*(document["as_given"][name] for name in Trial._fields)), trials
        except (InputError, KeyError, TypeError):
            return

    def add(self, trial: Trial) -> None:
        """Note a trial that has ended."""
        self.trials.append(trial)
        self.write()

    def write(self) -> None:
        """Replace the file."""
        if self.path is None:
            return
        writable_folder(self.path.parent)
        trials = [trial._asdict() for trial in self.trials]
        given = None if self.as_given is None else self.as_given._asdict()
        document = {"schema": schemas.TUNING, "about": self.about, "as_given": given, "trials": trials}
        write_json(self.path, document)
