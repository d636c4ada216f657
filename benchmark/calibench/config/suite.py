"""Suites (TOML): frozen protocols of a sweep, read and checked down to the key, and the runs that they consist of.

```toml
summary = "Three recipes on the embedded digits."
primary = "brier"             # the metric that ranks, and the recipe that others are compared with
base = "ce"
method = ["ce", "ce+temperature", "vtst"]
seed = [0, 1, 2]
metrics = ["augrc"]           # metrics besides the default ones
[[data]]                      # one or several: a dataset, and the network and noises that are tried on it
dataset = "digits"
model = "mlp"
noise = ["none", "symmetric:rate=0.3"]
shift = "rotation"            # shift, ood, ood_score: one or several each, as in a preset
fingerprint = "4f1c..."       # of the data before noise: other data are refused
licence = "CC BY 4.0"
[train]                       # settings of stage 1, and of parts, as in a preset
epochs = 20
[set.vtst]
latent_dim = 64
```
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from calibench.config.preset import is_file, kind_of_value, read_seeds, read_settings, read_texts, text_of_file
from calibench.config.request import RunRequest
from calibench.config.resolve import resolve_run, with_seed
from calibench.config.run_config import RunConfig, Setting
from calibench.config.toml_text import read_toml
from calibench.errors import InputError, did_you_mean
from calibench.plugins.discovery import registry
from calibench.plugins.specs import MetricSpec

KEYS = ("summary", "primary", "base", "method", "seed", "metrics", "data", "own_data", "train", "set", "notes", "paper")
TEST_KEYS = ("shift", "ood", "ood_score")
"""What a run is judged on besides its test split."""
DATA_KEYS = ("dataset", "model", "noise", *TEST_KEYS, "train", "set", "fingerprint", "licence", "notes")
NO_NOISE = "none"


class FailedRun(Protocol):
    """What a suite asks of a run that failed."""

    @property
    def suite(self) -> str | None: ...  # noqa: D102
    @property
    def sha256(self) -> str | None: ...  # noqa: D102
    @property
    def recipe(self) -> str: ...  # noqa: D102
    @property
    def method(self) -> str | None: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class SuiteData:
    """One entry under `[[data]]`: a dataset with its network, and the noises that are tried on it (None: clean labels)."""

    dataset: str
    model: str | None = None
    noises: tuple[str | None, ...] = (None,)
    shift: tuple[str, ...] = ()
    ood: tuple[str, ...] = ()
    ood_score: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    """Settings of parts on this dataset, which win over those of the suite."""
    fingerprint: str | None = None
    """SHA-256 of the data before noise; None: any data under that name."""
    licence: str = ""


@dataclass(frozen=True)
class Suite:
    """A checked suite. A changed protocol gets a new name, as `quick-v2`."""

    name: str
    text: str = dataclasses.field(repr=False)
    summary: str
    primary: str
    base: str
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    data: tuple[SuiteData, ...]
    settings: tuple[Setting, ...]
    metrics: tuple[str, ...] = ()
    """Metrics that records hold besides the default ones, the primary one among them if it is none of these."""
    notes: tuple[str, ...] = ()
    own_data: str = ""
    """The dataset that stands for an experiment in a user's file, with {file} and {group} in it; empty: the data are fixed."""
    changed: tuple[str, ...] = ()
    """The keys that the user replaced for this sweep; records name them."""
    file: str = ""
    """The name of the file that it was read from; empty for a suite of a plugin."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def has(self, cell: FailedRun) -> bool:
        """True for a run of this suite that failed; a sweep does not remember the version of its suite."""
        recipe = cell.method or cell.recipe
        own = cell.suite == self.name and recipe in self.methods and cell.seed in self.seeds
        return own and cell.sha256 in (None, self.sha256)

    def configs(self, device: str = "cpu") -> Iterator[RunConfig]:
        """Every run: seeds outermost, then data with their noises, then recipes."""
        first = list(self._first_seed(device))
        for seed in self.seeds:
            yield from (with_seed(config, seed) for config in first)

    def _first_seed(self, device: str) -> Iterator[RunConfig]:
        mark = {"name": self.name, "sha256": self.sha256, "changed": list(self.changed), "suite": True}
        mark |= {"file": self.file} if self.file else {}
        for data in self.data:
            own = {(part, key) for part, key, _ in data.settings}
            settings = (*data.settings, *(s for s in self.settings if s[:2] not in own))
            for noise in data.noises:
                request = RunRequest(
                    dataset=data.dataset,
                    model=data.model,
                    noise=noise,
                    device=device,
                    shift=data.shift,
                    ood=data.ood,
                    ood_score=data.ood_score,
                )
                for recipe in self.methods:
                    config = resolve_run(request, recipe, self.seeds[0], settings)
                    own_mark = {**mark, "method": recipe}
                    yield dataclasses.replace(config, preset=own_mark, data_fingerprint=data.fingerprint)


def load_suite(name: str | Path) -> Suite:
    """The suite of a plugin by its name, or of a file by its path; InputError names the bad key."""
    if isinstance(name, Path) or is_file(str(name)):
        suite = read_suite(text_of_file(Path(name), "suite"), Path(name).stem)
        return dataclasses.replace(suite, file=Path(name).name)
    try:
        spec = registry().get("suite", name).spec
    except InputError as error:
        raise InputError(error.message, f"{error.hint} A suite in a file goes by its path, as {name}.toml") from None
    return read_suite(spec.load(), name)


def read_suite(text: str, name: str) -> Suite:
    """The suite in a TOML text; InputError names the key that is unknown, missing or of the wrong type."""
    where = f"suite {name}"
    content = read_toml(text, where, 'text stands in quotes, as in base = "ce"')
    _known(content, KEYS, where)
    missing = [key for key in ("primary", "base", "method", "data") if key not in content]
    if missing:
        raise InputError(f"{where}: there is no {missing[0]!r}", 'as in primary = "brier", base = "ce"')
    methods = read_texts(content["method"], f"{where}: method", several=True)
    data = tuple(_data(content["data"], methods, where))
    base = read_texts(content["base"], f"{where}: base", several=False)[0]
    if base not in methods:
        raise InputError(f"{where}: base {base!r} is none of its recipes", did_you_mean(base, methods))
    runs = [_options(methods, entry) for entry in data]
    primary = _metric(_text(content, "primary", where), where)
    metrics = _several(content, "metrics", where)
    for metric in metrics:
        registry().get("metric", metric.partition(":")[0])
    if getattr(registry().get("metric", primary).spec, "optional", False):
        metrics = tuple(dict.fromkeys((*metrics, primary)))
    seeds = read_seeds(content.get("seed", 0), f"{where}: seed")
    _refuse_twice("recipe", methods, where)
    _refuse_twice("seed", seeds, where)
    _refuse_twice("data set", [(entry.dataset, entry.model, noise) for entry in data for noise in entry.noises], where)
    return Suite(
        name=name,
        text=text,
        summary=_text(content, "summary", where),
        primary=primary,
        base=base,
        methods=methods,
        seeds=seeds,
        data=data,
        settings=read_settings(content, runs, where),
        metrics=metrics,
        own_data=_own_data(_text(content, "own_data", where), where),
        notes=_several(content, "notes", where),
    )


def _refuse_twice(what: str, values: Sequence[Hashable], where: str) -> None:
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        shown = ", ".join(str(part) for part in twice if part) if isinstance(twice, tuple) else str(twice)
        raise InputError(f"{where}: the {what} {shown} stands twice", "a run of a suite has one place: remove one")


def _own_data(text: str, where: str) -> str:
    """The dataset of `--data`, with places for the file and the experiment and nothing else in braces."""
    if text and (set(re.findall(r"{.*?}", text)) != {"{file}", "{group}"}):
        raise InputError(
            f"{where}: own_data {text!r} needs {{file}} and {{group}}, and no other braces", "as in h5:path={file}"
        )
    return text


def _fingerprint(text: str, place: str) -> str | None:
    if text and not re.fullmatch(r"[0-9a-f]{64}", text):
        raise InputError(
            f"{place}: fingerprint {text!r} is no SHA-256", "it is `data.clean_fingerprint` of a record: 64 hex digits"
        )
    return text or None


def _data(entries: Any, methods: Sequence[str], where: str) -> Iterator[SuiteData]:
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{where}: data holds {kind_of_value(entries)}", "give each data set a table, as [[data]]")
    for number, entry in enumerate(entries, 1):
        place = f"{where}: data {number}"
        if not isinstance(entry, dict):
            raise InputError(f"{place} is {kind_of_value(entry)}", "give each data set a table, as [[data]]")
        _known(entry, DATA_KEYS, place)
        if "dataset" not in entry:
            raise InputError(f"{place}: there is no 'dataset'", 'as in dataset = "digits"')
        noises = read_texts(entry.get("noise", NO_NOISE), f"{place}: noise", several=True)
        data = SuiteData(
            dataset=_text(entry, "dataset", place),
            model=_text(entry, "model", place) or None,
            noises=tuple(None if noise == NO_NOISE else noise for noise in noises),
            shift=_several(entry, "shift", place),
            ood=_several(entry, "ood", place),
            ood_score=_several(entry, "ood_score", place),
            fingerprint=_fingerprint(_text(entry, "fingerprint", place), place),
            licence=_text(entry, "licence", place),
        )
        yield dataclasses.replace(data, settings=read_settings(entry, [_options(methods, data)], place))


def _options(methods: Sequence[str], data: SuiteData) -> dict[str, tuple[str, ...]]:
    """The recipes and parts of the runs on one data set, by the keys of a preset."""
    noises = tuple(noise for noise in data.noises if noise is not None)
    named = {"dataset": (data.dataset,), "model": (data.model,) if data.model else (), "noise": noises[:1]}
    return {"method": tuple(methods), **{key: texts for key, texts in named.items() if texts}}


def _known(content: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    for key in content:
        if key not in keys:
            raise InputError(f"{where}: unknown key {key!r}", did_you_mean(key, keys))


def _text(content: Mapping[str, Any], key: str, where: str) -> str:
    return read_texts(content[key], f"{where}: {key}", several=False)[0] if key in content else ""


def _several(content: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    return read_texts(content[key], f"{where}: {key}", several=True) if key in content else ()


def _metric(name: str, where: str) -> str:
    """The name of a metric that can rank rows."""
    spec = registry().get("metric", name).spec
    if not isinstance(spec, MetricSpec) or not spec.rankable or spec.order_only:
        raise InputError(f"{where}: primary {name!r} ranks no rows", "name a proper score, such as brier or nll")
    return name
