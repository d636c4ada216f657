"""`--launcher ray`: each run is a task of Ray Core, on this machine or a cluster. Ray places tasks and repeats those that are lost.

Machines share the results folder. Of runs that share the training of stage 1, one goes ahead.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator, Sequence
from typing import Any

from calibench.config.run_config import RunConfig
from calibench.errors import InputError, RunError
from calibench.records import store
from calibench.records.remote import RemoteResults
from calibench.runs.launchers.local import BUSY_PAUSE, cores
from calibench.runs.launchers.messages import Busy, Done, Event, Failed, Outcome, Progress, Setup, Task, Workers
from calibench.runs.launchers.ray_cluster import Head, import_ray, ray_cluster
from calibench.runs.launchers.ray_task import Inbox, OtherCode, code_of_run, make_run, with_absolute_results
from calibench.runs.launchers.waiting import TRIES, Waiting
from calibench.runs.options import RunOptions

MOST_AT_ONCE = 1000
"""So many tasks are with Ray at a time, unless `--jobs` sets another number."""

LOOK = 0.5
"""Seconds between two looks at the progress."""

SHARED_SECONDS = 5.0
"""So long a record that a worker has written may take to appear in a shared folder."""


def launch(
    configs: Sequence[RunConfig],
    options: RunOptions,
    workers: Workers,
    *,
    address: str | None = None,
    gpus: float = 0.0,
    memory_gb: float | None = None,
    retries: int = TRIES - 1,
    store_mb: int = 200,
) -> Iterator[Event]:
    """Run all configurations as tasks of Ray; every one ends in a `Done` or a `Failed`.

    InputError without Ray or a cluster. The iterator raises RunError if the head of the cluster is lost, or if a machine has
    other code or another results folder.
    """
    needs_gpu = any(config.device == "cuda" for config in configs)
    if needs_gpu != (gpus > 0):
        hint = "write --launcher ray:gpus=0.5 --device cuda"
        raise InputError("ray sets a GPU aside if the launcher and the runs both ask for one", hint)
    ray = import_ray()
    memory = None if memory_gb is None else int(memory_gb * 1e9)
    needs = {"num_cpus": workers.threads, "num_gpus": gpus, "memory": memory, "max_retries": retries}
    setup = with_absolute_results(Setup(options, workers.threads))

    def events() -> Iterator[Event]:
        cpus = workers.threads * min(workers.jobs or max(1, cores() // workers.threads), len(configs))
        with ray_cluster(ray, address, cpus, store_mb * 10**6) as head:
            there = ray.cluster_resources().get("GPU", 0)
            if address is None and gpus > there:
                raise InputError(f"gpus={gpus:g}: this machine has {there:g} GPUs", "name the --address of a cluster")
            yield from Tasks(ray, configs, setup, workers, needs).events(head)

    return events()


class Tasks:
    """The tasks of a sweep that are with Ray."""

    def __init__(
        self, ray: Any, configs: Sequence[RunConfig], setup: Setup, workers: Workers, needs: dict[str, Any]
    ) -> None:
        self.ray, self.configs, self.setup, self.logs = ray, configs, setup, workers.logs.resolve()
        self.tries = needs["max_retries"] + 1
        self.most = workers.jobs or MOST_AT_ONCE
        self.waiting = Waiting(configs)
        self.numbers: dict[Any, int] = {}
        """The run of each task."""
        self.fresh_keys: set[str] = set()
        self.places = _Places()
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=True
        )
        self.inbox = ray.remote(Inbox).options(num_cpus=0, scheduling_strategy=here, max_restarts=-1).remote()
        self.asked: Any = None
        self.make = ray.remote(make_run).options(**needs)

    def events(self, head: Head) -> Iterator[Event]:
        """Hand out runs and hear of them until all have ended."""
        while len(self.waiting) or self.numbers:
            while len(self.numbers) < self.most and (number := self.waiting.take()) is not None:
                self._hand_out(number)
            ended, _ = self.ray.wait(list(self.numbers), timeout=LOOK)
            if ended:
                ended, _ = self.ray.wait(list(self.numbers), num_returns=len(self.numbers), timeout=0)
            else:
                head.check()
            yield from self._progress()
            for task in ended:
                yield self._ended(task)

    def _hand_out(self, number: int) -> None:
        config = self.configs[number]
        code = code_of_run(tuple(sorted(part.spec.target for part in config.parts)))
        keys = frozenset(self.fresh_keys) if self.setup.options.force else frozenset()
        self.numbers[self.make.remote(Task(number, config, keys), self.setup, code, self.logs, self.inbox)] = number

    def _progress(self) -> Iterator[Event]:
        """What the actor has heard since the last look; nothing while it starts anew."""
        if self.asked is None:
            self.asked = self.inbox.take.remote()
        if not self.ray.wait([self.asked], timeout=0)[0]:
            return
        asked, self.asked = self.asked, None
        try:
            messages: list[Progress] = self.ray.get(asked)
        except self.ray.exceptions.RayError:
            return
        running = set(self.numbers.values())
        for message in messages:
            if message.number in running:
                yield Event(self.places.of(message.number), message)

    def _ended(self, task: Any) -> Event:
        """The outcome of a task, as an event."""
        number = self.numbers.pop(task)
        message = self._outcome(task, number)
        if isinstance(message, Busy):
            self.waiting.back(number)
            time.sleep(0 if self.numbers else BUSY_PAUSE)
        else:
            self.waiting.ended(number)
        if isinstance(message, Done):
            self.fresh_keys |= message.fresh_keys
            self._refuse_other_folder(message.run_id)
        return Event(self.places.leave(number), message)

    def _outcome(self, task: Any, number: int) -> Outcome:
        try:
            outcome: Outcome | OtherCode = self.ray.get(task)
        except self.ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[0]
            return Failed(number, f"Ray lost it {self.tries} times: {reason}", "is there enough memory?")
        if isinstance(outcome, OtherCode):
            message = f"{outcome.host} has other code of calibench or of a plugin than this machine"
            raise RunError(message, "install the same versions on all machines of the cluster")
        return outcome

    def _refuse_other_folder(self, run_id: str) -> None:
        """RunError if a record that a worker has written is neither at the URL of the results nor in our folder."""
        results, remote = self.setup.options.results, self.setup.options.remote
        assert results is not None
        if remote is not None:
            RemoteResults(remote).fetch_run(run_id)
        record = results / store.RECORDS / f"{run_id}.json"
        end = time.monotonic() + SHARED_SECONDS
        while not record.exists() and time.monotonic() < end:
            time.sleep(LOOK)
        if not record.exists():
            message = f"a worker has written the record {run_id}, and it is not in {str(results)!r}"
            raise RunError(message, "name a --results folder that all machines share, at the same path")


class _Places:
    """The least free number for each run that reports progress, so that a display has a line for each that runs."""

    def __init__(self) -> None:
        self._of: dict[int, int] = {}
        self._free: list[int] = []

    def of(self, number: int) -> int:
        """The place of a run."""
        if number not in self._of:
            self._of[number] = heapq.heappop(self._free) if self._free else len(self._of)
        return self._of[number]

    def leave(self, number: int) -> int:
        """The place that the run had, which is free now."""
        place = self.of(number)
        heapq.heappush(self._free, self._of.pop(number))
        return place
