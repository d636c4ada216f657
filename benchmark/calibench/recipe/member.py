"""Member: one network trained by a recipe from one seed, as keyed stages: body -> features -> refitted head -> outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from calibench.cache.keys import identity, stage_key
from calibench.cache.results import StageResult, StageResults
from calibench.cache.resume import Resume
from calibench.config.grammar import Bound, who
from calibench.config.run_config import RunConfig
from calibench.data.on_device import OnDevice
from calibench.data.prepare import SPLITS, Data
from calibench.errors import InputError, PluginError, blaming
from calibench.models.checkpoint import load_checkpoint
from calibench.models.network import Network, Task
from calibench.outputs.outputs import Outputs, average
from calibench.outputs.several_labels import yes_no_outputs
from calibench.progress import Report
from calibench.recipe.sampling import collect, sampled
from calibench.recipe.stage_1 import Stage1
from calibench.seeds import PURPOSES, derived_seed, seeded
from calibench.stages import HeadRefit, RefitTask, Sampler, TuneTask
from calibench.stages.build import as_figures, build_stage
from calibench.training.prediction import predict


class Member:
    """The trained part of a recipe for one seed. Building it trains nothing, but builds the network and checks the stages."""

    def __init__(self, config: RunConfig, data: Data, products: StageResults, seed: int, report: Report) -> None:
        self.config, self.data, self.products, self.report = config, data, products, report
        self.seeds = {purpose: derived_seed(seed, purpose) for purpose in PURPOSES}
        self.fitted: list[dict[str, Any]] = []
        self.collected: Mapping[str, torch.Tensor] | None = None
        self.device = torch.device(config.device)
        self.rows = OnDevice(data, self.device)
        self.refit: HeadRefit | None = self._build("refit")
        self.sampler: Sampler | None = self._build("sampler")
        with seeded(self.seeds["stage1"]):
            network = self._built()
            self.checkpoint = load_checkpoint(network, config.model.name, config.model.params)
            self.origin = [found for found in (self.checkpoint, network.origin) if found]
            self.network = self._converted(network)
        made_by = [*self._conversion(), *self.origin]
        self.stage_1 = Stage1(
            config, self.rows, products, self.seeds["stage1"], report, self.network, self._new_network, made_by
        )
        self.objective = self.stage_1.objective
        if data.labels_per_sample > 1:
            self._check_several_labels()
        if self.refit is not None:
            with blaming(who(config.of_kind("refit")[0])):
                self.refit.check(self.network, data.train.x.shape[1:])
        if self.sampler is not None:
            with blaming(who(config.of_kind("sampler")[0])):
                self.sampler.check(self.network, data.train.x.shape[1:])

    def _check_several_labels(self) -> None:
        """Several labels a row are for objectives that say so, and for no head refit: theirs is a softmax."""
        what = f"rows of dataset {self.config.dataset.name!r} have {self.data.labels_per_sample} labels each"
        if self.refit is not None:
            message = f"{who(self.config.of_kind('refit')[0])} trains one class a row; {what}"
            raise InputError(message, "leave the refit out, as in bce+temperature")
        if not self.objective.multi_label and not self.network.pretrained:
            raise InputError(f"{who(self.config.objective)} trains one class a row; {what}", "train with bce")

    def _build(self, kind: str) -> Any:
        bound = self._bound(kind)
        return None if bound is None else build_stage(bound)

    def _bound(self, kind: str) -> Bound | None:
        return next(iter(self.config.of_kind(kind)), None)

    def _new_network(self) -> Network:
        return self._converted(self._built())

    def _built(self) -> Network:
        model = self.config.model
        with blaming(who(model)):
            network = model.spec.load()(Task.of(self.data), **model.own())
        if not isinstance(network, Network):
            message = f"{who(model)} built a {type(network).__name__}, not a calibench.Network"
            raise PluginError(message, "mend the plugin")
        return network

    def _converted(self, network: Network) -> Network:
        if self.sampler is not None:
            with blaming(who(self.config.of_kind("sampler")[0])):
                self.sampler.convert(network)
        return network.to(self.device)

    def outputs(self, splits: tuple[str, ...]) -> dict[str, Outputs]:
        """Outputs of the given splits, training what the cache does not hold."""
        body_key, entry = self.stage_1.run(self._said)
        if self.checkpoint:
            entry["checkpoint_sha256"] = self.checkpoint
        if self.network.origin and not self.config.model.spec.in_process:  # of a given one the configuration has it all
            entry["network"] = self.network.origin
        self.fitted.append(entry)
        head: nn.Module = self.network.head
        features: dict[str, torch.Tensor] = {}
        if self.refit is not None and self.refit.tunes_body:
            body_key = self._tuned(self.refit, body_key)
            head = self.network.head
        elif self.refit is not None:
            features = self._features(body_key)
            head = self._stage_2(self.refit, body_key, features)
        self.head, self.body_key = head, body_key
        if self.sampler is not None:
            return self._sampled(self.sampler, {name: self.rows.x(name) for name in splits})
        if not features:
            return {name: self._said(self._predict(self.network, name)) for name in splits}
        return {name: self._heard(head, features[name], name) for name in splits}

    def outputs_of(self, inputs: Mapping[str, NDArray[np.float32]]) -> dict[str, Outputs]:
        """Outputs of other rows, from what `outputs` has trained; each name seeds what is drawn for its rows.

        Of several processes, rank 0 alone asks.
        """
        rows = {name: torch.from_numpy(x).to(self.device) for name, x in inputs.items()}
        with blaming(who(self.config.model)):
            if self.sampler is not None:
                return self._sampled(self.sampler, rows)
            if self.refit is None or self.refit.tunes_body:
                return {name: self._said(predict(self.network, x)) for name, x in rows.items()}
            return {name: self._heard(self.head, predict(self.network.body, x), name) for name, x in rows.items()}

    def _predict(self, module: nn.Module, split: str) -> torch.Tensor:
        return predict(module, self.rows.x(split), processes=self.products.processes)

    def _conversion(self) -> list[Any]:
        """A sampler that changes the network is part of what stage 1 makes; any other is not, and shares its training."""
        if self.sampler is None or type(self.sampler).convert is Sampler.convert:
            return []
        if self.products.processes.size > 1:
            message = f"{who(self.config.of_kind('sampler')[0])} changes the network's layers, which may look at a row's place"
            raise InputError(f"{message} in its batch: processes cannot share it", "run it without torchrun")
        return [identity(self.config.of_kind("sampler")[0])]

    def _features(self, body_key: str) -> dict[str, torch.Tensor]:
        """What the frozen body puts out for every split: computed once, in eval mode, so that nothing in it can move."""

        def make() -> StageResult:
            with blaming(who(self.config.model)):
                return StageResult({name: self._predict(self.network.body, name) for name in SPLITS}, {})

        key = stage_key("features", body_key)
        # No seed made such a body, and labels did not: one copy serves every seed and noise.
        if self.origin and self.network.pretrained:
            where = [torch.__version__, torch.get_num_threads(), self.device.type]
            key = stage_key("features", identity(self.config.model), self.data.clean_fingerprint, *self.origin, where)
        # Without a body they are the data itself, not worth a second copy on disk.
        product = self.products.of("features", key, make, keep=self.network.has_body, together=True)
        return {name: features.to(self.device) for name, features in product.tensors.items()}

    def _stage_2(self, refit: HeadRefit, body_key: str, features: dict[str, torch.Tensor]) -> nn.Module:
        bound = self.config.of_kind("refit")[0]
        key = stage_key("stage2", body_key, identity(bound), self.seeds["stage2"])
        with seeded(self.seeds["stage2"]), blaming(who(bound)):
            head = refit.build(self.network.feature_size, self.data.num_classes).to(self.device)

            def make(resume: Resume | None) -> StageResult:
                task = RefitTask(
                    train_features=features["train"],
                    train_labels=self.rows.y("train"),
                    val_features=features["val"],
                    val_labels=self.rows.y("val"),
                    num_classes=self.data.num_classes,
                    original_head=self.network.head,
                    seed=self.seeds["stage2"],
                    report=self.report,
                    augmented=lambda view: predict(self.network.body, view(self.rows.x("train"))),
                    input_shape=self.data.train.x.shape[1:],
                    resume=resume,
                )
                figures = as_figures(bound, refit.fit(head, task))
                return StageResult(head.state_dict(), {name: float(value) for name, value in figures.items()})

            product = self.products.trained("stage2", key, make)
            head.load_state_dict(product.tensors)
        self.fitted.append({"stage": bound.name, "trained": True, **product.figures})
        return head.eval()

    def _tuned(self, refit: HeadRefit, body_key: str) -> str:
        """Trains the whole network with a fresh head; returns the key of what it has become."""
        bound, network = self.config.of_kind("refit")[0], self.network
        key = stage_key("stage2", body_key, identity(bound), self.seeds["stage2"])
        with seeded(self.seeds["stage2"]), blaming(who(bound)):
            network.head = refit.build(network.feature_size, self.data.num_classes).to(self.device)

            def make(resume: Resume | None) -> StageResult:
                rows = {name: (self.rows.x(name), self.rows.y(name)) for name in ("train", "val")}
                task = TuneTask(*rows["train"], *rows["val"], self.report, resume)
                figures = as_figures(bound, refit.tune(network, task))
                return StageResult(network.state_dict(), {name: float(value) for name, value in figures.items()})

            product = self.products.trained("stage2", key, make)
            network.load_state_dict(product.tensors)
        self.fitted.append({"stage": bound.name, "trained": True, **product.figures})
        return key

    def _said(self, logits: torch.Tensor) -> Outputs:
        """The network's own logits: of sigmoids, where the objective trained such and no refit came after it."""
        if self.data.labels_per_sample > 1:
            return yes_no_outputs(logits.cpu())
        return Outputs(logits.cpu(), one_vs_rest=self.objective.one_vs_rest and self.refit is None)

    def _heard(self, head: nn.Module, features: torch.Tensor, draws: str) -> Outputs:
        """What the refitted head says about features, with a seed for these `draws`, such as those of one split."""
        assert self.refit is not None
        with seeded(derived_seed(self.seeds["sampling"], draws)), blaming(who(self.config.of_kind("refit")[0])):
            found = self.refit.outputs(head, features)
        return Outputs(found.scores.cpu(), found.from_probs)

    def _sampled(self, sampler: Sampler, inputs: Mapping[str, torch.Tensor]) -> dict[str, Outputs]:
        bound, x, head = self.config.of_kind("sampler")[0], self.rows.x("train"), self.head
        refitted = self.refit is not None and not self.refit.tunes_body

        def heard(features: torch.Tensor, draws: str) -> Outputs:
            return self._heard(head, features, draws) if refitted else self._said(predict(head, features))

        if self.collected is None:
            self.collected = self._collected(sampler, bound)
            self.before_sampling = {name: held.clone() for name, held in self.network.state_dict().items()}
        else:  # a sampler leaves the network in its last variant
            self.network.load_state_dict(self.before_sampling)
        with seeded(derived_seed(self.seeds["sampling"], "variants")), blaming(who(bound)):
            found = sampled(sampler, self.network, self.collected, x, inputs, heard)
        self.fitted.append({"stage": bound.name, "samples": len(next(iter(found.values())))})
        return {name: average(parts, sampler.combine) for name, parts in found.items()}

    def _collected(self, sampler: Sampler, bound: Bound) -> Mapping[str, torch.Tensor]:
        new_task = self.stage_1.sample_task
        if self.products.processes.size > 1 and type(sampler).collect is not Sampler.collect:
            task = new_task()  # what it needs may be made by all processes together, what is collected is not
            new_task = lambda: task  # noqa: E731
        return collect(sampler, bound, self.network, new_task, self.products, self.body_key, self.seeds["sampling"])
