"""Cells of a sweep: its runs, each with a key of everything that decides it, found without reading data or importing torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibench.cache.code import installed_code_of
from calibench.config.grammar import Bound
from calibench.config.run_config import RunConfig
from calibench.records.environment import versions
from calibench.records.record import ResultRecord
from calibench.runs.options import RunOptions


@dataclass(frozen=True)
class Cell:
    """One run of a sweep, and its key."""

    config: RunConfig
    key: str

    @property
    def label(self) -> str:
        """For people, as in `vtst on digits, mlp, seed 0`."""
        config = self.config
        noise = "" if config.noise is None else f", {config.noise.text()}"
        return f"{config.recipe} on {config.dataset.text()}, {config.model.text()}{noise}, seed {config.seed}"


def cells_of(configs: Iterable[RunConfig], options: RunOptions, threads: int) -> list[Cell]:
    """The cells of a sweep; a key changes with the configuration, code, versions, data files, metrics and the number of threads."""
    configs = list(configs)
    code = installed_code_of({part.spec.target for config in configs for part in config.parts})
    common = [code, versions([]), options.metrics, list(options.sampling), threads]
    digests: dict[tuple[Any, ...], str] = {}
    cells = []
    for config in configs:
        # The runs of all seeds share these objects: what they say is put into words once.
        parts = (config.stages, config.dataset, config.model, config.noise, config.shift_and_ood)
        shared = (*map(id, parts), config.device, config.data_fingerprint)
        if shared not in digests:
            digests[shared] = _without_seed(config, common)
        key = hashlib.sha256(f"{digests[shared]} {config.seed}".encode()).hexdigest()[:32]
        cells.append(Cell(config, key))
    return cells


def with_record(cells: Iterable[Cell], records: Iterable[ResultRecord]) -> list[Cell]:
    """The cells whose settings are those of a record, though it may come from other code, versions or data."""
    there = {json.dumps(record.config, sort_keys=True) for record in records}
    return [cell for cell in cells if json.dumps(cell.config.document(), sort_keys=True) in there] if there else []


def _without_seed(config: RunConfig, common: list[Any]) -> str:
    """The digest of everything in a key but the seed."""
    document = {name: value for name, value in config.document().items() if name != "seed"}
    files = [_state_of_files(part) for part in config.parts]
    text = json.dumps([document, config.data_fingerprint, files, common], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _state_of_files(part: Bound) -> list[Any]:
    """Size and time of change of each file or folder that a parameter names."""
    states = []
    for param in part.spec.all_params():
        value = part.params.get(param.key)
        if param.type == "path" and isinstance(value, str):
            path = Path(value)
            states.append([path.stat().st_size, path.stat().st_mtime_ns] if path.exists() else None)
    return states
