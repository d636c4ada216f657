"""Member: one network trained by a recipe from one seed, as keyed stages: body -> features -> refitted head -> outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from calibench.cache.results import StageResults
from calibench.config.grammar import who
from calibench.data.on_device import OnDevice
from calibench.data.prepare import Data
from calibench.errors import InputError, blaming
from calibench.outputs.outputs import Outputs, average
from calibench.outputs.several_labels import yes_no_outputs
from calibench.progress import Report
from calibench.recipe.curves import stored_curve
from calibench.recipe.features import features_of_splits
from calibench.recipe.networks import Networks
from calibench.recipe.sampling import Sampling
from calibench.recipe.stage_1 import Stage1
from calibench.recipe.stage_2 import Stage2
from calibench.recipe.trained_stages import TrainedStages
from calibench.seeds import PURPOSES, derived_seed
from calibench.stages import HeadRefit, OodTask, Sampler
from calibench.stages.build import build_stage
from calibench.training.prediction import predict


class Member:
    """The trained part of a recipe for one seed. Building it builds the network and checks the stages, but trains nothing."""

    def __init__(self, stages: TrainedStages, data: Data, results: StageResults, seed: int, report: Report) -> None:
        self.stages, self.data, self.results, self.report = stages, data, results, report
        self.seeds = {purpose: derived_seed(seed, purpose) for purpose in PURPOSES}
        self.fitted: list[dict[str, Any]] = []
        """An entry for the record of each stage that has run."""
        self.curves: list[dict[str, Any]] = []
        """The course of each training, as the record holds it."""
        self.rows = OnDevice(data, stages.device)
        refit: HeadRefit | None = None if stages.refit is None else build_stage(stages.refit)
        sampler: Sampler | None = None if stages.sampler is None else build_stage(stages.sampler)
        self.networks = Networks(stages, data, sampler, self.seeds["stage1"])
        self.networks.check_processes(results.processes.size)
        self.network = self.networks.first
        self.stage_1 = Stage1(stages, self.networks, self.rows, results, self.seeds["stage1"], report)
        self.objective = self.stage_1.objective
        self.stage_2: Stage2 | None = None
        if refit is not None and stages.refit is not None:
            self.stage_2 = Stage2(stages.refit, refit, self.network, self.rows, results, self.seeds["stage2"])
        self.sampling: Sampling | None = None
        if sampler is not None and stages.sampler is not None:
            self.sampling = Sampling(stages.sampler, sampler, self.network, results, self.seeds["sampling"])
        self._check()

    @property
    def refits_head(self) -> bool:
        """True if a refitted head stands on a frozen body."""
        return self.stage_2 is not None and not self.stage_2.refit.tunes_body

    @property
    def tunes_body(self) -> bool:
        """True if a head refit trains the body too."""
        return self.stage_2 is not None and self.stage_2.refit.tunes_body

    def train(self) -> dict[str, torch.Tensor]:
        """Train the stages that the cache does not hold. Returns the features of every split if a refitted head takes them."""
        body_key, entry = self.stage_1.run(self._outputs_of_logits)
        if self.networks.checkpoint:
            entry["checkpoint_sha256"] = self.networks.checkpoint
        if self.network.origin and not self.stages.model.spec.from_caller:
            entry["network"] = self.network.origin  # the configuration already describes a network from Python
        self.fitted.append(entry)
        self.curves += stored_curve(entry, self.stage_1.curve)
        features: dict[str, torch.Tensor] = {}
        self.head: nn.Module = self.network.head
        if self.stage_2 is not None:
            if self.tunes_body:
                body_key = self.stage_2.tune(body_key, self.report)
                self.head = self.network.head
            else:
                features = features_of_splits(body_key, self.networks, self.rows, self.results)
                self.head = self.stage_2.train_head(body_key, features, self.report)
            self.fitted.append(self.stage_2.figures)
            self.curves += stored_curve(self.stage_2.figures, self.stage_2.curve)
        self.body_key = body_key
        return features

    def outputs(self, splits: tuple[str, ...]) -> dict[str, Outputs]:
        """Outputs of the splits, after `train`."""
        features = self.train()
        if self.sampling is not None:
            return self._sampled(self.sampling, {name: self.rows.x(name) for name in splits})
        if self.refits_head:
            return {name: self._head_outputs(features[name], name) for name in splits}
        processes = self.results.processes
        logits = {name: predict(self.network, self.rows.x(name), processes=processes) for name in splits}
        return {name: self._outputs_of_logits(split) for name, split in logits.items()}

    def outputs_of(self, inputs: Mapping[str, NDArray[np.float32]]) -> dict[str, Outputs]:
        """Outputs of other rows than the data's, after `train`; the name of a set of rows seeds its random draws.

        Of several processes only the first calls it.
        """
        rows = {name: torch.from_numpy(x).to(self.stages.device) for name, x in inputs.items()}
        with blaming(who(self.stages.model)):
            if self.sampling is not None:
                return self._sampled(self.sampling, rows)
            if self.refits_head:
                return {name: self._head_outputs(predict(self.network.body, x), name) for name, x in rows.items()}
            return {name: self._outputs_of_logits(predict(self.network, x)) for name, x in rows.items()}

    @property
    def without_features(self) -> str:
        """The reason why rows have no features of one body; empty if they have."""
        return (
            ""
            if self.sampling is None
            else f"{who(self.sampling.bound)} changes the network for each of its predictions"
        )

    def features_of(self, inputs: Mapping[str, NDArray[np.float32]]) -> dict[str, torch.Tensor]:
        """Features `[N, D]` in float64 of the body, in eval mode, after `outputs`."""
        with blaming(who(self.stages.model)):
            rows = {name: torch.from_numpy(x).to(self.stages.device) for name, x in inputs.items()}
            return {name: predict(self.network.body, x).double() for name, x in rows.items()}

    def ood_task(self) -> OodTask:
        """What OOD scores of features are fitted on, after `outputs`."""
        features = self.features_of({"train": self.data.train.x})["train"]
        return OodTask(features, self.rows.y("train").flatten(), self.data.num_outputs, self.head)

    def _check(self) -> None:
        """InputError for stages that do not fit the labels, the network or its inputs."""
        if self.data.labels_per_sample > 1:
            self._check_several_labels()
        shape = self.data.train.x.shape[1:]
        if self.stage_2 is not None:
            with blaming(who(self.stage_2.bound)):
                self.stage_2.refit.check(self.network, shape)
        if self.sampling is not None:
            if self.stage_2 is not None and self.sampling.sampler.separate_bodies:
                sampler, refit = who(self.sampling.bound), who(self.stage_2.bound)
                message = f"{sampler} has a body for each member, and {refit} fits the features of one body"
                raise InputError(message, "leave one of them out")
            with blaming(who(self.sampling.bound)):
                self.sampling.sampler.check(self.network, shape)

    def _check_several_labels(self) -> None:
        """InputError unless the objective trains several labels a sample and there is no head refit: refits train a softmax."""
        problem = f"rows of dataset {self.stages.dataset!r} have {self.data.labels_per_sample} labels each"
        if self.stage_2 is not None:
            message = f"{who(self.stage_2.bound)} trains one class a row; {problem}"
            raise InputError(message, "leave the refit out, as in bce+temperature")
        if not self.objective.multi_label and not self.network.pretrained:
            raise InputError(f"{who(self.stages.objective)} trains one class a row; {problem}", "train with bce")

    def _outputs_of_logits(self, logits: torch.Tensor) -> Outputs:
        """The network's logits as outputs, through the objective's own link function where no refit follows."""
        if self.data.labels_per_sample > 1:
            return yes_no_outputs(logits.cpu())
        if self.stage_2 is not None:
            return Outputs(logits.cpu())
        return Outputs(self.objective.softmax_logits(logits.cpu()), one_vs_rest=self.objective.one_vs_rest)

    def _head_outputs(self, features: torch.Tensor, draws: str) -> Outputs:
        """Outputs of the refitted head for features; `draws` names its random draws, such as those of one split."""
        assert self.stage_2 is not None
        return self.stage_2.outputs(self.head, features, derived_seed(self.seeds["sampling"], draws))

    def _sampled(self, sampling: Sampling, inputs: Mapping[str, torch.Tensor]) -> dict[str, Outputs]:
        head = self.head

        def outputs_of_features(features: torch.Tensor, draws: str) -> Outputs:
            if self.refits_head:
                return self._head_outputs(features, draws)
            return self._outputs_of_logits(predict(head, features))

        sampling.prepare(self.body_key, self.stage_1.sample_task)
        outputs = sampling.outputs(self.rows.x("train"), inputs, outputs_of_features)
        self.fitted.append({"stage": sampling.bound.name, "samples": len(next(iter(outputs.values())))})
        return {name: average(parts, sampling.sampler.combine) for name, parts in outputs.items()}
