"""Training: the members of a recipe, one unless it holds an ensemble, and what they say together."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibench.cache.results import StageResults
from calibench.cache.stage_cache import StageCache
from calibench.config.grammar import who
from calibench.config.run_config import RunConfig
from calibench.data.prepare import Data
from calibench.errors import InputError, blaming
from calibench.outputs.outputs import Outputs
from calibench.progress import Report
from calibench.recipe.member import Member
from calibench.seeds import member_seed
from calibench.stages import Ensemble
from calibench.stages.build import build_stage


class Members:
    """The trained part of one run: `run(splits)` for a checked configuration and its data.

    Building it trains nothing but raises InputError for whatever cannot work, so that a run fails before it writes.
    """

    def __init__(self, config: RunConfig, data: Data, cache: StageCache, report: Report) -> None:
        self.config, self.data, self.report = config, data, report
        self.products = StageResults(cache)
        self.fitted: list[dict[str, Any]] = []
        ensembles = config.of_kind("ensemble")
        self.ensemble: Ensemble | None = build_stage(ensembles[0]) if ensembles else None
        self.first = self._member(0)
        self.trained: list[Member] = []
        """Members that can say more, kept where a run is judged on more than its test split."""
        self.seeds = self.first.seeds
        self.network = self.first.network
        self._check()

    @property
    def timings(self) -> dict[str, float]:
        """Seconds by stage; those of products from the cache are what their making took."""
        return self.products.timings

    def _member(self, number: int) -> Member:
        return Member(self.config, self.data, self.products, member_seed(self.config.seed, number), self.report)

    def _check(self) -> None:
        """A network that is not trained here leaves some stages nothing to do: refused, not ignored."""
        if not self.network.pretrained:
            return
        config = self.config
        if self.first.refit is not None and self.first.refit.tunes_body and not self.network.has_body:
            message = f"{who(config.of_kind('refit')[0])} trains the body, and model {config.model.name!r} has none"
            raise InputError(message, "its control on frozen features is tst:head=linear")
        objective = config.objective
        idle = sorted(key for key in config.stated if key.startswith(f"{objective.name}."))
        if config.of_kind("refit"):  # --select is for every stage that trains: it has one to act on
            idle = [key for key in idle if key != f"{objective.name}.select"]
        what = f"{idle[0]} would do nothing" if idle else f"objective {objective.name!r} would do nothing"
        hint = "leave it out; stage 2 has its own settings, as in --set vtst.epochs=20"
        if config.model.spec.in_process:
            hint = f"trained=False lets stage 1 train it; else {hint}"
        if not idle and objective.spec.default:
            if self.ensemble is None or config.of_kind("refit"):
                return
            what = f"every member of {config.of_kind('ensemble')[0].name!r} would be the same"
            hint = "put a head refit before it, as in vtst+ensemble, or use a model that is trained, such as mlp"
        raise InputError(f"model {config.model.name!r} trains nothing in stage 1, so {what}", hint)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the seconds of the block to `timings[what]`."""
        start = time.perf_counter()
        yield
        self.timings[what] = self.timings.get(what, 0.0) + time.perf_counter() - start

    def run(self, splits: tuple[str, ...]) -> dict[str, Outputs]:
        """Outputs of the given splits, training what the cache does not hold."""
        if self.ensemble is None:
            outputs = self.first.outputs(splits)
            self.fitted += self.first.fitted
            self.trained = [self.first]
            return outputs
        found = []
        for number in range(self.ensemble.members):
            member = self.first if number == 0 else self._member(number)
            found.append(member.outputs(splits))
            self.fitted += [{**entry, "member": number} for entry in member.fitted]
            if self.config.shift_and_ood.pieces:
                self.trained.append(member)
        return self._together(found)

    def outputs_of(self, inputs: Mapping[str, NDArray[np.float32]]) -> dict[str, Outputs]:
        """Outputs of other rows than the data's, such as a shifted test split, after `run`; their names seed what is drawn."""
        found = [member.outputs_of(inputs) for member in self.trained]
        return found[0] if self.ensemble is None else self._together(found)

    def _together(self, found: list[dict[str, Outputs]]) -> dict[str, Outputs]:
        assert self.ensemble is not None
        with blaming(who(self.config.of_kind("ensemble")[0])):
            return {name: self.ensemble.combine([outputs[name] for outputs in found]) for name in found[0]}
