"""Stage 1: the network trained by the recipe's objective, kept by key, and taken up again where a kill stopped it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import torch

from calibench.cache.keys import identity, stage_key
from calibench.cache.results import StageResult, StageResults, strip_prefix
from calibench.cache.resume import Resume, interval
from calibench.config.grammar import who
from calibench.config.run_config import RunConfig
from calibench.data.on_device import OnDevice
from calibench.errors import InputError, blaming
from calibench.kernels import CalibrationAccumulator
from calibench.models.network import Network
from calibench.outputs.outputs import Outputs
from calibench.plugins.params import TRAINING_PARAMS
from calibench.processes import ALONE, Processes
from calibench.progress import Report
from calibench.recipe.label_errors import score_suspected
from calibench.recipe.out_of_fold import out_of_fold
from calibench.seeds import derived_seed, seeded
from calibench.stages import Objective, SampleTask, TrainTask
from calibench.stages.build import as_figures, build_stage
from calibench.training.augment import Augmentation, read_augmentation
from calibench.training.batch import batch_of, shared_loss
from calibench.training.compute import check_compute, computed
from calibench.training.loop import train
from calibench.training.prediction import mean_nll, predict
from calibench.training.schedule import Schedule

NETWORK, OBJECTIVE = "network.", "objective."
"""Prefixes of what stage 1 keeps."""


class Stage1:
    """The training of one member's network. Building it checks the settings; `run` trains what the cache does not hold.

    `new_network()` makes one more like `network`, and `made_by` is what decided both beside the model's parameters.
    """

    def __init__(
        self,
        config: RunConfig,
        rows: OnDevice,
        products: StageResults,
        seed: int,
        report: Report,
        network: Network,
        new_network: Callable[[], Network],
        made_by: list[Any],
    ) -> None:
        self.config, self.rows, self.products, self.seed, self.report = config, rows, products, seed, report
        self.network, self.new_network, self.made_by = network, new_network, made_by
        self.data, self.bound, self.processes = rows.data, config.objective, products.processes
        self.objective: Objective = build_stage(self.bound)
        with blaming(who(self.bound)):
            self.objective.check(self.data.num_outputs)
            params: dict[str, Any] = dict(self.bound.params)
            self.schedule = Schedule(**{param.key: params[param.key] for param in TRAINING_PARAMS})
        self.augment = Augmentation()
        if not network.pretrained:
            self.augment = read_augmentation(self.schedule.augment, self.data.train.x, who(self.bound))
            check_compute(self.schedule, network, rows.device, config.model.name)
            self._check_ranks()
        interval()  # tells of a bad environment before anything is written
        self.trained = False
        self.last_epoch = self.schedule.epochs
        self.left_over: dict[str, torch.Tensor] = {}

    def run(self, said: Callable[[torch.Tensor], Outputs]) -> tuple[str, dict[str, Any]]:
        """The key of what the network is then, and an entry for the record; `said` reads its logits as outputs."""
        key = stage_key(
            "stage1",
            [identity(self.bound), identity(self.config.model), self.data.fingerprint, self.seed],
            self._where(),
            *self.made_by,
            *([self.objective.files] if self.objective.files else []),
        )
        if self.network.pretrained:
            return key, {"stage": self.bound.name, "trained": False, "why": "the network was given trained"}
        product = self.products.trained("stage1", key, lambda resume: self._train(said, resume), together=True)
        self.network.load_state_dict(strip_prefix(product.tensors, NETWORK))
        self.left_over = strip_prefix(product.tensors, OBJECTIVE)
        self.last_epoch = int(product.figures.get("ended_after", self.last_epoch))
        return key, {"stage": self.bound.name, "trained": True, **product.figures, **product.learned}

    def _check_ranks(self) -> None:
        """InputError for what cannot be split among processes to the same end."""
        size = self.processes.size
        if size > 1 and not self.objective.can_split():
            message = (
                f"{who(self.bound)} looks at a batch as a whole, or remembers rows: {size} processes cannot share it"
            )
            raise InputError(message, "run it without torchrun")
        if size > self.schedule.batch_size:
            message = f"{who(self.bound)}: batch_size={self.schedule.batch_size} is less than the {size} processes"
            raise InputError(message, "batch_size is that of all processes together; raise it")

    def _where(self) -> list[Any]:
        processes = [self.processes.size] if self.processes.size > 1 else []  # rounding depends on them as on threads
        return [torch.__version__, torch.get_num_threads(), self.rows.device.type, *processes]

    def _train(self, said: Callable[[torch.Tensor], Outputs], resume: Resume | None) -> StageResult:
        objective, network, bound, processes = self.objective, self.network, self.bound, self.processes
        y, val_x, val_y = self.rows.y("train"), self.rows.x("val"), self.rows.y("val")
        part = processes.part(len(val_y))
        mine = torch.empty(0)

        def validate() -> float:
            nonlocal mine
            mine = predict(network, val_x[part])
            logits = processes.gathered(mine, len(val_y))
            objective.end_epoch(logits, val_y)
            return mean_nll(said(logits).logits().to(val_y.device), val_y.flatten())

        def calibration() -> str:
            return f"ECE15 {streamed_ece(said(mine).logits(), val_y[part].flatten().cpu(), processes):.2%}"

        def another() -> Network:
            made = self.new_network()
            computing.enter_context(computed(made, self.schedule, processes))
            return made

        what = f"{who(bound)} on {who(self.config.model)}"
        with seeded(self.seed), blaming(what), contextlib.ExitStack() as computing:
            task = self._task(another)
            objective.prepare(task)
            computing.enter_context(computed(network, self.schedule, processes))
            figures = train(
                network,
                self._loss(processes),
                validate,
                len(y),
                self.schedule,
                self.report,
                f"stage 1, {bound.name}",
                objective=objective,
                resume=resume,
                processes=processes,
                also=calibration,
            )
            learned = as_figures(bound, objective.figures()) | score_suspected(objective.suspected(), self.data)
        self.trained = True
        held = {f"{NETWORK}{k}": v for k, v in network.state_dict().items()}
        return StageResult(held | {f"{OBJECTIVE}{k}": v for k, v in objective.state().items()}, figures, learned)

    def _task(self, new_network: Callable[[], Network]) -> TrainTask:
        oof = self._out_of_fold() if self.objective.folds else None
        return TrainTask(self.rows.y("train"), self.data.num_outputs, self.schedule.epochs, oof, new_network)

    def sample_task(self) -> SampleTask:
        """For a sampler that trains on: the objective is where stage 1 left it, whether or not that ran just now."""
        if not self.trained:
            with seeded(self.seed), blaming(who(self.bound)):
                self.objective.prepare(self._task(self.new_network))
                self.objective.load_state({k: held.to(self.rows.device) for k, held in self.left_over.items()})
                self.trained = True
        self.objective.begin_epoch(self.last_epoch)
        schedule = self.schedule
        return SampleTask(self.rows.x("train"), self._loss(ALONE), schedule.lr, schedule.batch_size, self.report)

    def _loss(self, processes: Processes) -> Callable[[torch.Tensor], torch.Tensor]:
        """`loss(rows)` of the training rows by the objective and the network as they stand, or this rank's part of it."""
        x, y, network, objective = self.rows.x("train"), self.rows.y("train"), self.network, self.objective
        augment = self.augment

        def loss(rows: torch.Tensor) -> torch.Tensor:
            batch = batch_of(x, y, rows, augment, processes)
            return shared_loss(lambda its: objective.step(network, its), network, batch, len(rows), processes)

        return loss

    def _out_of_fold(self) -> torch.Tensor:
        folds = self.objective.folds
        # Folds choose these two for themselves.
        settings = list(dataclasses.astuple(dataclasses.replace(self.schedule, select="best", patience=None)))
        made_by = [folds, settings, identity(self.config.model), self.data.fingerprint, self.seed, self._where()]

        def kept(number: int, make: Callable[[Resume | None], StageResult]) -> StageResult:
            key = stage_key("outoffold", number, made_by, *self.made_by)
            return self.products.trained("outoffold", key, make, together=True)

        rows = {name: (self.rows.x(name), self.rows.y(name)) for name in ("train", "val")}
        with seeded(derived_seed(self.seed, "out of fold")), blaming(who(self.config.model)):
            return out_of_fold(
                self.new_network,
                rows["train"],
                rows["val"],
                self.data.num_classes,
                folds,
                self.schedule,
                self.augment,
                self.report,
                self.processes,
                kept,
            )


def streamed_ece(logits: torch.Tensor, labels: torch.Tensor, processes: Processes) -> float:
    """ECE over 15 bins of the rows of all processes, of which each gives its own `[n, K]` and `[n]`, perhaps none."""
    statistics = CalibrationAccumulator()
    if len(logits) and bool(
        logits.isfinite().all()
    ):  # it is only shown: what is judged in the end is checked by itself
        statistics.update(logits, labels)
    if processes.size > 1:
        statistics.all_reduce()
    found = statistics.compute()
    return float((found.confidence_sum - found.correct_sum).abs().sum() / found.n)
