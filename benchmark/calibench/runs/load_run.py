"""`load_run`: a stored run as a trained pipeline, from its record and the stage cache; nothing is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from calibench.cache.stage_cache import CompleteCache
from calibench.config.request import RunRequest
from calibench.config.resolve import resolve_run
from calibench.config.run_config import RunConfig
from calibench.data.folder import using_data_folder
from calibench.data.in_memory import InMemoryData, as_dataset
from calibench.data.load import load_data
from calibench.data.prepare import Data
from calibench.errors import InputError
from calibench.models.in_memory import InMemoryModel, as_model
from calibench.processes import pick_device
from calibench.progress import quiet
from calibench.recipe.members import Members
from calibench.records import store
from calibench.records.find import find_record_by_id
from calibench.records.record import ResultRecord
from calibench.runs.finished_run import FinishedRun
from calibench.runs.in_memory import describe_in_memory
from calibench.runs.run import posthoc_of

AGAIN = "make it again: repeat the run with --force (force=True)"


def load_run(
    run: str | ResultRecord,
    results: str | Path = "results",
    *,
    dataset: Any = None,
    model: Any = None,
    trained: bool | None = None,
    head: str | None = None,
    data_dir: str | Path | None = None,
) -> FinishedRun:
    """The trained pipeline of a run under `results`, by its record or its id (or the beginning of the id that no other has).

    Its stages come from the results folder's cache, its map and rule from the record. The data are read again, because they
    identify the stages. A `dataset`, a `model`, `trained` and `head` that the run got from Python must be given again.
    Raises InputError if there is no such run, if data, model or code are not those of the run, or if a stage is not kept.
    """
    if not isinstance(run, str | ResultRecord):
        raise InputError(f"run is a {type(run).__name__}", "give a run id, or a record")
    folder = Path(results)
    record = run if isinstance(run, ResultRecord) else find_record_by_id(folder, run)
    where = f"run {record.run_id}"
    request = RunRequest(
        dataset=as_dataset(dataset) if dataset is not None else _named(record, "dataset", "arrays", record.dataset),
        model=as_model(model, trained, head) if model is not None else _named(record, "model", "module", record.model),
        noise=record.noise,
        device=pick_device(str(record.config.get("device", "cpu"))),
    )
    config = resolve_run(request, record.recipe, record.seed)
    with using_data_folder(data_dir, False, quiet):
        data = load_data(config)
    config, kept = describe_in_memory(config, data)
    if not kept:
        raise InputError(
            f"{where}: its network has no source code on disk, so nothing of it was kept", "wrap it instead"
        )
    _refuse_another(record, config, data, where)
    with _threads(record):
        members = Members(config, data, CompleteCache(folder / store.CACHE, where), quiet)
        members.train()
        return FinishedRun(record, data, members, posthoc_of(config, data))


def _named(record: ResultRecord, part: str, from_caller: str, text: str) -> str:
    """The text of a part; InputError if a program gave the part."""
    if record.config.get(part, {}).get("name") == from_caller:
        message = f"run {record.run_id} got its {part} from a program, and the record does not hold it"
        raise InputError(message, f"give it again: load_run(..., {part}=...)")
    return text


def _refuse_another(record: ResultRecord, config: RunConfig, data: Data, where: str) -> None:
    """InputError unless configuration and data are those of the record."""
    now, then = config.document(), record.config
    for part in ("stages", "dataset", "model", "noise"):
        if now[part] != then.get(part):
            given = isinstance(
                {"dataset": config.dataset.spec, "model": config.model.spec}.get(part), InMemoryData | InMemoryModel
            )
            reason = "is not the one of the run" if given else "means something else in this version than in the run's"
            raise InputError(f"{where}: {part if part != 'stages' else 'its recipe'} {reason}", AGAIN)
    if data.fingerprint != record.data.get("fingerprint"):
        raise InputError(f"{where}: the data have changed since", AGAIN)


@contextlib.contextmanager
def _threads(record: ResultRecord) -> Iterator[None]:
    """As many threads as the run had, since their number decides the rounding and so the identity of its stages."""
    before, wanted = torch.get_num_threads(), record.machine.get("threads")
    if not isinstance(wanted, int) or wanted < 1:
        yield
        return
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)
