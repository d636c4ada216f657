"""Members: the trained part of a run, one member unless the recipe holds an ensemble, and the outputs of all together."""

from __future__ import annotations

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
from calibench.plugins.lifecycle import stage_finished, within
from calibench.plugins.listeners import clock
from calibench.plugins.specs import OodScoreSpec
from calibench.progress import Report
from calibench.recipe.member import Member
from calibench.recipe.trained_stages import TrainedStages
from calibench.seeds import member_seed
from calibench.stages import Ensemble
from calibench.stages.build import build_stage


class Members:
    """The members of one run. Building it trains nothing, and raises InputError for a recipe or setting that cannot work."""

    def __init__(self, config: RunConfig, data: Data, cache: StageCache, report: Report) -> None:
        self.config, self.data, self.cache, self.report = config, data, cache, report
        self.results = StageResults(cache)
        self.fitted: list[dict[str, Any]] = []
        self.curves: list[dict[str, Any]] = []
        ensembles = config.of_kind("ensemble")
        self.ensemble: Ensemble | None = build_stage(ensembles[0]) if ensembles else None
        self.stages = TrainedStages.of(config)
        self.first = self._member(0)
        self.trained: list[Member] = []
        """Trained members, kept where a run is judged on more than its test split."""
        self.seeds = self.first.seeds
        self.network = self.first.network
        if self.network.pretrained:
            self._refuse_idle_stages()
        self._check_scores()

    @property
    def timings(self) -> dict[str, float]:
        """Seconds by stage; a stage from the cache counts the seconds of its training."""
        return self.results.timings

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the seconds of the block to `timings[stage]`."""
        start = clock()
        yield
        seconds = clock() - start
        self.timings[stage] = self.timings.get(stage, 0.0) + seconds
        stage_finished(stage, seconds)

    def run(self, splits: tuple[str, ...]) -> dict[str, Outputs]:
        """Outputs of the splits, after training the stages that the cache does not hold."""
        if self.ensemble is None:
            outputs = self.first.outputs(splits)
            self.fitted += self.first.fitted
            self.curves += self.first.curves
            self.trained = [self.first]
            return outputs
        by_member = []
        for number in range(self.ensemble.members):
            member = self.first if number == 0 else self._member(number)
            with within(member=number):
                by_member.append(member.outputs(splits))
            self.fitted += [{**entry, "member": number} for entry in member.fitted]
            self.curves += [{**curve, "member": number} for curve in member.curves]
            if self.config.shift_and_ood.parts:
                self.trained.append(member)
        return self._combined(by_member)

    def train(self) -> None:
        """Train the stages that the cache does not hold, and keep every member for `outputs_of`."""
        numbers = range(1 if self.ensemble is None else self.ensemble.members)
        self.trained = [self.first if number == 0 else self._member(number) for number in numbers]
        for member in self.trained:
            member.train()

    def outputs_of(self, inputs: Mapping[str, NDArray[np.float32]]) -> dict[str, Outputs]:
        """Outputs of other rows than the data's, after `run` or `train`; the name of a set of rows seeds its random draws."""
        by_member = [member.outputs_of(inputs) for member in self.trained]
        return by_member[0] if self.ensemble is None else self._combined(by_member)

    @property
    def without_features(self) -> str:
        """The reason why rows have no features of one body, as OOD scores of features need; empty if they have."""
        if self.ensemble is not None:
            return f"{who(self.config.of_kind('ensemble')[0])} has a body for each member"
        return self.first.without_features

    def _check_scores(self) -> None:
        """InputError for bad parameters of an OOD score, and if every score needs features of one body and there is none."""
        scores = self.config.shift_and_ood.scores
        needing = [bound for bound in scores if isinstance(bound.spec, OodScoreSpec) and bound.spec.of == "features"]
        for bound in needing:
            build_stage(bound)
        if needing and len(needing) == len(scores) and self.without_features:
            message = f"score {needing[0].name} needs the features of one body: {self.without_features}"
            raise InputError(message, "use a score of the outputs, as in --ood-score max-softmax, or another recipe")

    def _member(self, number: int) -> Member:
        seed = member_seed(self.config.seed, number)
        return Member(self.stages, self.data, self.results, seed, self.report)

    def _combined(self, by_member: list[dict[str, Outputs]]) -> dict[str, Outputs]:
        assert self.ensemble is not None
        with blaming(who(self.config.of_kind("ensemble")[0])):
            return {name: self.ensemble.combine([outputs[name] for outputs in by_member]) for name in by_member[0]}

    def _refuse_idle_stages(self) -> None:
        """InputError for stages and settings that do nothing to a network that comes trained."""
        model, stages = self.config.model, self.stages
        if self.first.tunes_body and not self.network.has_body and stages.refit is not None:
            message = f"{who(stages.refit)} trains the body, and model {model.name!r} has none"
            raise InputError(message, "its control on frozen features is tst:head=linear")
        self._refuse_idle_objective()
        if self.ensemble is not None and stages.refit is None:
            problem = f"every member of {self.config.of_kind('ensemble')[0].name!r} would be the same"
            hint = "put a head refit before it, as in vtst+ensemble, or use a model that is trained, such as mlp"
            raise InputError(f"model {model.name!r} trains nothing in stage 1, so {problem}", hint)

    def _refuse_idle_objective(self) -> None:
        """InputError if the user set an objective, or a parameter of one, although stage 1 trains nothing."""
        model, objective = self.config.model, self.config.objective
        idle = sorted(key for key in self.config.explicit if key.startswith(f"{objective.name}."))
        if self.stages.refit is not None:  # --select is for every stage that trains: here the refit
            idle = [key for key in idle if key != f"{objective.name}.select"]
        if not idle and objective.spec.default:
            return
        problem = f"{idle[0]} would do nothing" if idle else f"objective {objective.name!r} would do nothing"
        hint = "leave it out; stage 2 has its own settings, as in --set vtst.epochs=20"
        if model.spec.from_caller:
            hint = f"trained=False lets stage 1 train it; else {hint}"
        raise InputError(f"model {model.name!r} trains nothing in stage 1, so {problem}", hint)
