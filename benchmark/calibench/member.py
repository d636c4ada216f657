"""Member: one network trained by a recipe from one seed, as keyed stages: body -> features -> refitted head -> outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from calibench.artifacts import identity, stage_key
from calibench.config import RunConfig
from calibench.data.prepare import SPLITS, Data
from calibench.errors import InputError, PluginError, blaming
from calibench.grammar import Bound
from calibench.label_errors import score_suspected
from calibench.models.checkpoint import load_checkpoint
from calibench.models.network import Network, Task
from calibench.models.schedule import Schedule
from calibench.models.training import mean_nll, predict, seeded, train
from calibench.out_of_fold import out_of_fold
from calibench.outputs import Outputs, average
from calibench.products import Product, Products, part_of
from calibench.questions import asked
from calibench.sampling import collect, sampled
from calibench.seeds import PURPOSES, derived_seed
from calibench.specs import TRAINING_PARAMS
from calibench.stages import Batch, HeadRefit, Objective, RefitTask, Report, Sampler, SampleTask, TrainTask, TuneTask
from calibench.stages.build import as_figures, build_stage, who

NETWORK, OBJECTIVE = "network.", "objective."
"""Prefixes of what stage 1 keeps."""


class Member:
    """The trained part of a recipe for one seed. Building it trains nothing, but builds the network and checks the stages."""

    def __init__(self, config: RunConfig, data: Data, products: Products, seed: int, report: Report) -> None:
        self.config, self.data, self.products, self.report = config, data, products, report
        self.seeds = {purpose: derived_seed(seed, purpose) for purpose in PURPOSES}
        self.fitted: list[dict[str, Any]] = []
        self.trained = False
        self.left_over: dict[str, torch.Tensor] = {}
        self.collected: Mapping[str, torch.Tensor] | None = None
        self.device = torch.device(config.device)
        self.objective: Objective = build_stage(config.objective)
        with blaming(who(config.objective)):
            self.objective.check(data.num_outputs)
        self.schedule = self._schedule()
        self.refit: HeadRefit | None = self._build("refit")
        self.sampler: Sampler | None = self._build("sampler")
        with seeded(self.seeds["stage1"]):
            network = self._built()
            self.checkpoint = load_checkpoint(network, config.model.name, config.model.params)
            self.network = self._converted(network)
        if data.questions > 1:
            self._check_questions()
        if self.refit is not None:
            with blaming(who(config.of_kind("refit")[0])):
                self.refit.check(self.network, data.train.x.shape[1:])
        if self.sampler is not None:
            with blaming(who(config.of_kind("sampler")[0])):
                self.sampler.check(self.network, data.train.x.shape[1:])

    def _check_questions(self) -> None:
        """Several labels a row are for objectives that say so, and for no head refit: theirs is a softmax."""
        what = f"rows of dataset {self.config.dataset.name!r} have {self.data.questions} labels each"
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
        body_key = self._stage_1()
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
            return self._sampled(self.sampler, {name: self._x(name) for name in splits})
        if not features:
            return {name: self._said(predict(self.network, self._x(name))) for name in splits}
        return {name: self._heard(head, features[name], name) for name in splits}

    def outputs_of(self, inputs: Mapping[str, NDArray[np.float32]]) -> dict[str, Outputs]:
        """Outputs of other rows, from what `outputs` has trained; each name seeds what is drawn for its rows."""
        rows = {name: torch.from_numpy(x).to(self.device) for name, x in inputs.items()}
        with blaming(who(self.config.model)):
            if self.sampler is not None:
                return self._sampled(self.sampler, rows)
            if self.refit is None or self.refit.tunes_body:
                return {name: self._said(predict(self.network, x)) for name, x in rows.items()}
            return {name: self._heard(self.head, predict(self.network.body, x), name) for name, x in rows.items()}

    def _stage_1(self) -> str:
        config, network = self.config, self.network
        key = stage_key(
            "stage1",
            [identity(config.objective), identity(config.model), self.data.fingerprint, self.seeds["stage1"]],
            [torch.__version__, torch.get_num_threads(), self.device.type],
            *self._conversion(),
            *([self.objective.files] if self.objective.files else []),
            *([self.checkpoint] if self.checkpoint else []),
        )
        if network.pretrained:
            why = "the network was given trained"
            file = {"checkpoint_sha256": self.checkpoint} if self.checkpoint else {}
            self.fitted.append({"stage": config.objective.name, "trained": False, "why": why, **file})
            return key
        product = self.products.of("stage1", key, self._train_stage_1)
        network.load_state_dict(part_of(product.tensors, NETWORK))
        self.left_over = part_of(product.tensors, OBJECTIVE)
        self.fitted.append({"stage": config.objective.name, "trained": True, **product.figures, **product.learned})
        return key

    def _conversion(self) -> list[Any]:
        """A sampler that changes the network is part of what stage 1 makes; any other is not, and shares its training."""
        if self.sampler is None or type(self.sampler).convert is Sampler.convert:
            return []
        return [identity(self.config.of_kind("sampler")[0])]

    def _schedule(self) -> Schedule:
        params: dict[str, Any] = dict(self.config.objective.params)
        with blaming(who(self.config.objective)):
            return Schedule(**{param.key: params[param.key] for param in TRAINING_PARAMS})

    def _train_stage_1(self) -> Product:
        objective, network, schedule = self.objective, self.network, self.schedule
        y, val_y = self._y("train"), self._y("val")
        val_x = self._x("val")

        def validate() -> float:
            logits = predict(network, val_x)
            objective.end_epoch(logits, val_y)
            return mean_nll(self._said(logits).logits().to(val_y.device), val_y.flatten())

        bound = self.config.objective
        task = self._train_task(schedule)
        with seeded(self.seeds["stage1"]), blaming(f"{who(bound)} on {who(self.config.model)}"):
            objective.prepare(task)
            figures = train(
                network,
                self._loss(),
                validate,
                len(y),
                schedule,
                self.report,
                f"stage 1, {bound.name}",
                companions=objective.companions(),
                begin_epoch=objective.begin_epoch,
            )
            learned = as_figures(bound, objective.figures()) | score_suspected(objective.suspected(), self.data)
        self.trained = True
        held = {f"{NETWORK}{k}": v for k, v in network.state_dict().items()}
        return Product(held | {f"{OBJECTIVE}{k}": v for k, v in objective.state().items()}, figures, learned)

    def _train_task(self, schedule: Schedule) -> TrainTask:
        oof = self._out_of_fold(schedule) if self.objective.folds else None
        return TrainTask(self._y("train"), self.data.num_outputs, schedule.epochs, oof, self._new_network)

    def _sample_task(self) -> SampleTask:
        """For a sampler that trains on: the objective is where stage 1 left it, whether or not that ran just now."""
        schedule = self.schedule
        if not self.trained:
            task = self._train_task(schedule)
            with seeded(self.seeds["stage1"]), blaming(who(self.config.objective)):
                self.objective.prepare(task)
                self.objective.load_state({name: held.to(self.device) for name, held in self.left_over.items()})
                self.trained = True
        self.objective.begin_epoch(schedule.epochs)
        return SampleTask(self._x("train"), self._loss(), schedule.lr, schedule.batch_size, self.report)

    def _loss(self) -> Any:
        """`loss(rows)` of the training rows by the objective and the network as they stand."""
        x, y, network, objective = self._x("train"), self._y("train"), self.network, self.objective
        return lambda rows: objective.step(network, Batch(x[rows], y[rows], rows))

    def _out_of_fold(self, schedule: Schedule) -> torch.Tensor:
        folds = self.objective.folds
        settings = list(dataclasses.astuple(schedule))
        key = stage_key(
            "outoffold",
            [folds, settings, identity(self.config.model), self.data.fingerprint, self.seeds["stage1"]],
            [torch.__version__, torch.get_num_threads(), self.device.type],
            *self._conversion(),
        )

        def make() -> Product:
            rows = {name: (self._x(name), self._y(name)) for name in ("train", "val")}
            with seeded(derived_seed(self.seeds["stage1"], "out of fold")), blaming(who(self.config.model)):
                found = out_of_fold(
                    self._new_network,
                    rows["train"],
                    rows["val"],
                    self.data.num_classes,
                    folds,
                    schedule,
                    self.report,
                )
            return Product({"probs": found}, {})

        return self.products.of("outoffold", key, make).tensors["probs"].to(self.device)

    def _features(self, body_key: str) -> dict[str, torch.Tensor]:
        """What the frozen body puts out for every split: computed once, in eval mode, so that nothing in it can move."""

        def make() -> Product:
            with blaming(who(self.config.model)):
                return Product({name: predict(self.network.body, self._x(name)) for name in SPLITS}, {})

        key = stage_key("features", body_key)
        if self.checkpoint:  # no seed made this body, and labels did not: one copy serves every seed and noise
            where = [torch.__version__, torch.get_num_threads(), self.device.type]
            key = stage_key(
                "features", identity(self.config.model), self.data.clean_fingerprint, self.checkpoint, where
            )
        # Without a body they are the data itself, not worth a second copy on disk.
        product = self.products.of("features", key, make, keep=self.network.has_body)
        return {name: features.to(self.device) for name, features in product.tensors.items()}

    def _stage_2(self, refit: HeadRefit, body_key: str, features: dict[str, torch.Tensor]) -> nn.Module:
        bound = self.config.of_kind("refit")[0]
        key = stage_key("stage2", body_key, identity(bound), self.seeds["stage2"])
        with seeded(self.seeds["stage2"]), blaming(who(bound)):
            head = refit.build(self.network.feature_size, self.data.num_classes).to(self.device)

            def make() -> Product:
                task = RefitTask(
                    train_features=features["train"],
                    train_labels=self._y("train"),
                    val_features=features["val"],
                    val_labels=self._y("val"),
                    num_classes=self.data.num_classes,
                    original_head=self.network.head,
                    seed=self.seeds["stage2"],
                    report=self.report,
                    augmented=lambda view: predict(self.network.body, view(self._x("train"))),
                    input_shape=self.data.train.x.shape[1:],
                )
                figures = as_figures(bound, refit.fit(head, task))
                return Product(head.state_dict(), {name: float(value) for name, value in figures.items()})

            product = self.products.of("stage2", key, make)
            head.load_state_dict(product.tensors)
        self.fitted.append({"stage": bound.name, "trained": True, **product.figures})
        return head.eval()

    def _tuned(self, refit: HeadRefit, body_key: str) -> str:
        """Trains the whole network with a fresh head; returns the key of what it has become."""
        bound, network = self.config.of_kind("refit")[0], self.network
        key = stage_key("stage2", body_key, identity(bound), self.seeds["stage2"])
        with seeded(self.seeds["stage2"]), blaming(who(bound)):
            network.head = refit.build(network.feature_size, self.data.num_classes).to(self.device)

            def make() -> Product:
                rows = {name: (self._x(name), self._y(name)) for name in ("train", "val")}
                figures = as_figures(bound, refit.tune(network, TuneTask(*rows["train"], *rows["val"], self.report)))
                return Product(network.state_dict(), {name: float(value) for name, value in figures.items()})

            product = self.products.of("stage2", key, make)
            network.load_state_dict(product.tensors)
        self.fitted.append({"stage": bound.name, "trained": True, **product.figures})
        return key

    def _said(self, logits: torch.Tensor) -> Outputs:
        """The network's own logits: of sigmoids, where the objective trained such and no refit came after it."""
        if self.data.questions > 1:
            return asked(logits.cpu())
        return Outputs(logits.cpu(), one_vs_rest=self.objective.one_vs_rest and self.refit is None)

    def _heard(self, head: nn.Module, features: torch.Tensor, draws: str) -> Outputs:
        """What the refitted head says about features, with a seed for these `draws`, such as those of one split."""
        assert self.refit is not None
        with seeded(derived_seed(self.seeds["sampling"], draws)), blaming(who(self.config.of_kind("refit")[0])):
            found = self.refit.outputs(head, features)
        return Outputs(found.scores.cpu(), found.from_probs)

    def _sampled(self, sampler: Sampler, inputs: Mapping[str, torch.Tensor]) -> dict[str, Outputs]:
        bound, x, head = self.config.of_kind("sampler")[0], self._x("train"), self.head
        refitted = self.refit is not None and not self.refit.tunes_body

        def heard(features: torch.Tensor, draws: str) -> Outputs:
            return self._heard(head, features, draws) if refitted else self._said(predict(head, features))

        if self.collected is None:
            self.collected = collect(
                sampler, bound, self.network, self._sample_task, self.products, self.body_key, self.seeds["sampling"]
            )
            self.before_sampling = {name: held.clone() for name, held in self.network.state_dict().items()}
        else:  # a sampler leaves the network in its last variant
            self.network.load_state_dict(self.before_sampling)
        with seeded(derived_seed(self.seeds["sampling"], "variants")), blaming(who(bound)):
            found = sampled(sampler, self.network, self.collected, x, inputs, heard)
        self.fitted.append({"stage": bound.name, "samples": len(next(iter(found.values())))})
        return {name: average(parts, sampler.combine) for name, parts in found.items()}

    def _x(self, split: str) -> torch.Tensor:
        x: NDArray[np.float32] = getattr(self.data, split).x
        return torch.from_numpy(x).to(self.device)

    def _y(self, split: str) -> torch.Tensor:
        y: NDArray[np.int64] = getattr(self.data, split).y
        return torch.from_numpy(y).to(self.device)
