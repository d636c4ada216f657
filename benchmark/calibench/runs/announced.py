"""Announced: the start and the end of one run, told to the plugins that listen and to the trackers of the command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from calibench.config.run_config import RunConfig
from calibench.errors import CalibenchError
from calibench.plugins.discovery import registry
from calibench.plugins.events import RunFacts, RunFinished, RunStarted
from calibench.plugins.lifecycle import tell_all, telling
from calibench.plugins.listeners import clock
from calibench.processes import Processes
from calibench.records import store
from calibench.records.record import ResultRecord
from calibench.runs.identity import Identity
from calibench.runs.options import RunOptions
from calibench.runs.trackers import trackers_of


class Announced:
    """The listeners of one run. Without any, nothing is built and nothing is told; nor is it in processes but the first."""

    def __init__(
        self, config: RunConfig, identity: Identity, options: RunOptions, processes: Processes, start: float
    ) -> None:
        self.listeners = [*registry().listeners, *trackers_of(options.track)] if processes.first else []
        self._config, self._identity, self._options, self._start = config, identity, options, start

    def stored(self, record: ResultRecord) -> None:
        """The run was there already."""
        if self.listeners:
            tell_all(
                self.listeners, "calibench_run_finished", self._finished(self._facts(), record, there_already=True)
            )

    @contextmanager
    def running(self, n: dict[str, int]) -> Iterator[Callable[[ResultRecord], None]]:
        """Inside the block the run is made: yields the function that takes its record. `n` is the samples of each split.

        The end is told whatever ends the block.
        """
        if not self.listeners:
            yield lambda record: None
            return
        facts = self._facts()
        records: list[ResultRecord] = []
        error = ""
        try:
            with telling(facts, self.listeners):
                tell_all(self.listeners, "calibench_run_started", RunStarted(run=facts, n=n))
                yield records.append
        except BaseException as raised:
            error = _words(raised)
            raise
        finally:
            record = records[-1] if records else None
            tell_all(self.listeners, "calibench_run_finished", self._finished(facts, record, error=error))

    def _facts(self) -> RunFacts:
        config, results = self._config, self._options.results
        return RunFacts(
            run_id=self._identity.run_id,
            recipe=config.recipe,
            dataset=config.dataset.text(),
            model=config.model.text(),
            noise=None if config.noise is None else config.noise.text(),
            seed=config.seed,
            config=config.document(),
            results=None if results is None else str(results),
        )

    def _finished(
        self, facts: RunFacts, record: ResultRecord | None, *, error: str = "", there_already: bool = False
    ) -> RunFinished:
        results, predictions = self._options.results, None if record is None else record.predictions
        return RunFinished(
            run=facts,
            record=None if record is None else record.to_dict(),
            error=error,
            there_already=there_already,
            seconds=clock() - self._start,
            record_file=None if results is None or record is None else str(store.record_file(results, record.run_id)),
            predictions_file=None if results is None or predictions is None else str(results / predictions["file"]),
        )


def _words(error: BaseException) -> str:
    """The error in words, never empty."""
    if isinstance(error, CalibenchError):
        return error.message
    return "interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
