"""Stage 1: the network trained by the recipe's objective, kept by key, and resumed where a kill stopped it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch

from calibench.cache.keys import identity, stage_key
from calibench.cache.results import StageResult, StageResults, strip_prefix
from calibench.cache.resume import Resume, interval
from calibench.config.grammar import who
from calibench.data.on_device import OnDevice
from calibench.errors import InputError, blaming
from calibench.models.network import Network
from calibench.outputs.outputs import Outputs
from calibench.plugins.params import TRAINING_PARAMS
from calibench.processes import ALONE, Processes
from calibench.progress import Report
from calibench.recipe.label_errors import score_suspected
from calibench.recipe.networks import Networks
from calibench.recipe.out_of_fold import Folds, out_of_fold
from calibench.recipe.streamed_ece import streamed_ece
from calibench.recipe.trained_stages import TrainedStages
from calibench.records.stage_end import end_of_stage
from calibench.seeds import derived_seed, seeded
from calibench.stages import Batch, Objective, SampleTask, TrainTask
from calibench.stages.build import as_figures, build_stage
from calibench.training.augment import Augmentation, read_augmentation
from calibench.training.batch import batch_of, shared_loss
from calibench.training.compute import check_compute, compute_settings
from calibench.training.curve import Curve, last_of, listening
from calibench.training.loop import train
from calibench.training.plateau import end_of_training
from calibench.training.prediction import predict
from calibench.training.schedule import Schedule

NETWORK, OBJECTIVE = "network.", "objective."
"""Prefixes of the tensors that stage 1 keeps."""

AsOutputs = Callable[[torch.Tensor], Outputs]
"""Turns the network's logits into outputs: of one softmax, or of a sigmoid a class."""


class Stage1:
    """The training of one member's network. Building it checks the settings; `run` trains it unless the cache holds it."""

    def __init__(
        self,
        stages: TrainedStages,
        networks: Networks,
        rows: OnDevice,
        results: StageResults,
        seed: int,
        report: Report,
    ) -> None:
        self.stages, self.networks, self.rows = stages, networks, rows
        self.results, self.seed, self.report = results, seed, report
        self.network, self.data, self.processes = networks.first, rows.data, results.processes
        self.bound = stages.objective
        self.objective: Objective = build_stage(self.bound)
        with blaming(who(self.bound)):
            self.objective.check(self.data.num_outputs)
            params: dict[str, Any] = dict(self.bound.params)
            self.schedule = _schedule(params, len(self.data.train.y))
        self.augment = Augmentation()
        if not self.network.pretrained:
            self.augment = read_augmentation(self.schedule.augment, self.data.train.x, who(self.bound))
            check_compute(self.schedule, self.network, rows.device, stages.model.name)
            self._check_processes()
            self._check_repeats()
        interval()  # a bad CALIBENCH_CHECKPOINT_SECONDS is refused before anything is written
        self.objective_ready = False
        self.last_epoch = self.schedule.epochs
        self.objective_state: dict[str, torch.Tensor] = {}
        self.curve: Curve = {}
        """The course of the training, once it has run."""

    def run(self, as_outputs: AsOutputs) -> tuple[str, dict[str, Any]]:
        """Train the network, or load it from the cache; returns its key and an entry for the record."""
        key = stage_key(
            "stage1",
            [identity(self.bound), identity(self.stages.model), self.data.fingerprint, self.seed],
            self._where(),
            *self.networks.key_parts(),
            *([self.objective.files] if self.objective.files else []),
        )
        if self.network.pretrained:
            return key, {"stage": self.bound.name, "trained": False, "why": "the network was given trained"}
        result = self.results.get_or_train("stage1", key, lambda resume: self._train(as_outputs, resume), together=True)
        self.network.load_state_dict(strip_prefix(result.tensors, NETWORK))
        self.objective_state = strip_prefix(result.tensors, OBJECTIVE)
        self.curve = result.curve
        self.last_epoch = int(result.figures.get("ended_after", self.last_epoch))
        end = end_of_stage(result.figures)
        return key, {"stage": self.bound.name, "trained": True, **result.figures, **end, **result.learned}

    def sample_task(self) -> SampleTask:
        """For a sampler that trains on. The objective is where stage 1 left it, also if stage 1 came from the cache."""
        if not self.objective_ready:
            with seeded(self.seed), blaming(who(self.bound)):
                self.objective.prepare(self._task(self.networks.another))
                self.objective.load_state({k: v.to(self.rows.device) for k, v in self.objective_state.items()})
                self.objective_ready = True
        self.objective.begin_epoch(self.last_epoch)
        schedule = self.schedule
        return SampleTask(self.rows.x("train"), self._loss(ALONE), schedule.lr, schedule.batch_size, self.report)

    def _check_processes(self) -> None:
        """InputError for a training that several processes cannot share to the same end."""
        size = self.processes.size
        if size > 1 and not self.objective.can_split():
            message = (
                f"{who(self.bound)} looks at a batch as a whole, or remembers rows: {size} processes cannot share it"
            )
            raise InputError(message, "run it without torchrun")
        if size > self.schedule.batch_size:
            message = f"{who(self.bound)}: batch_size={self.schedule.batch_size} is less than the {size} processes"
            raise InputError(message, "batch_size is that of all processes together; raise it")

    def _check_repeats(self) -> None:
        """InputError for sharpness-aware steps of an objective that a second pass over a batch would change."""
        if self.schedule.sam_rho is not None and not self.objective.can_repeat():
            message = (
                f"{who(self.bound)}: sam_rho={self.schedule.sam_rho:g} passes over each batch twice, and this objective "
                "remembers its passes, or trains a second network"
            )
            raise InputError(message, "leave sam_rho out, or use another objective, as in ce:sam_rho=0.05")

    def _where(self) -> list[Any]:
        """Parts of the key that decide rounding: torch, threads, the device, the number of processes."""
        processes = [self.processes.size] if self.processes.size > 1 else []
        return [torch.__version__, torch.get_num_threads(), self.rows.device.type, *processes]

    def _train(self, as_outputs: AsOutputs, resume: Resume | None) -> StageResult:
        objective, network, processes = self.objective, self.network, self.processes
        val_x, val_y = self.rows.x("val"), self.rows.y("val")
        part = processes.part(len(val_y))
        logits_of_part = torch.empty(0)
        noisy = self.data.noise is not None and "val" in self.data.noise.get("realised_rates", ())
        validation_nll = objective.noisy_validation_nll if noisy else objective.validation_nll

        def validate() -> float:
            nonlocal logits_of_part
            logits_of_part = predict(network, val_x[part])
            logits = processes.gathered(logits_of_part, len(val_y))
            objective.end_epoch(logits, val_y)
            return validation_nll(as_outputs(logits).logits().to(val_y.device), val_y.flatten())

        def calibration() -> str:
            logits = as_outputs(logits_of_part).logits()
            return f"ECE15 {streamed_ece(logits, val_y[part].flatten().cpu(), processes):.2%}"

        def another() -> Network:
            network = self.networks.another()
            computing.enter_context(compute_settings(network, self.schedule, processes))
            return network

        subject = f"{who(self.bound)} on {who(self.stages.model)}"
        with seeded(self.seed), blaming(subject), contextlib.ExitStack() as computing:
            objective.prepare(self._task(another))
            computing.enter_context(compute_settings(network, self.schedule, processes))
            curves = computing.enter_context(listening())
            figures = train(
                network,
                self._loss(processes),
                validate,
                len(self.rows.y("train")),
                self.schedule,
                self.report,
                f"stage 1, {self.bound.name}",
                objective=objective,
                resume=resume,
                processes=processes,
                epoch_note=calibration,
            )
            learned = as_figures(self.bound, objective.figures()) | score_suspected(objective.suspected(), self.data)
        self.objective_ready = True
        tensors = {f"{NETWORK}{k}": v for k, v in network.state_dict().items()}
        tensors |= {f"{OBJECTIVE}{k}": v for k, v in objective.state().items()}
        return StageResult(tensors, figures, learned, last_of(curves))

    def _task(self, new_network: Callable[[], Network]) -> TrainTask:
        probs = self._out_of_fold() if self.objective.folds else None
        x, y, epochs = self.rows.x("train"), self.rows.y("train"), self.schedule.epochs
        return TrainTask(y, self.data.num_outputs, epochs, probs, new_network, x=x)

    def _loss(self, processes: Processes) -> Callable[[torch.Tensor], torch.Tensor]:
        """`loss(rows)`: the objective's loss of those training rows by the network as it stands, or this process's part of it."""
        x, y, network, objective = self.rows.x("train"), self.rows.y("train"), self.network, self.objective
        augment, networks = self.augment, self.networks

        def loss_of(part: Batch) -> torch.Tensor:
            return networks.loss(lambda: objective.step(network, part))

        def loss(rows: torch.Tensor) -> torch.Tensor:
            batch = batch_of(x, y, rows, augment, processes, objective.views)
            return shared_loss(loss_of, network, batch, len(rows), processes)

        return loss

    def _out_of_fold(self) -> torch.Tensor:
        """Probabilities `[N, K]` of the training rows by networks that were trained without them."""
        folds = self.objective.folds
        # Out-of-fold networks choose the checkpoint and the patience themselves.
        schedule = dataclasses.replace(self.schedule, select="best", patience=None, patience_share=0.0)
        settings = list(dataclasses.astuple(schedule))
        key_parts = [folds, settings, identity(self.stages.model), self.data.fingerprint, self.seed, self._where()]

        def keep(number: int, make: Callable[[Resume | None], StageResult]) -> StageResult:
            key = stage_key("outoffold", number, key_parts, *self.networks.key_parts())
            return self.results.get_or_train("outoffold", key, make, together=True)

        with seeded(derived_seed(self.seed, "out of fold")), blaming(who(self.stages.model)):
            return out_of_fold(
                Folds(
                    count=folds,
                    train=(self.rows.x("train"), self.rows.y("train")),
                    val=(self.rows.x("val"), self.rows.y("val")),
                    num_classes=self.data.num_classes,
                ),
                self.networks.another,
                self.schedule,
                self.augment,
                self.report,
                self.processes,
                keep,
            )


def _schedule(params: Mapping[str, Any], rows: int) -> Schedule:
    """The schedule of stage 1; InputError for a learning rate whose course needs a number of epochs that nobody set."""
    settings = {param.key: params[param.key] for param in TRAINING_PARAMS}
    if settings["epochs"] is None and settings["lr_schedule"] != "constant":
        message = (
            f"lr_schedule={settings['lr_schedule']} needs the number of epochs, and a plateau ends after any number"
        )
        raise InputError(message, "set epochs too, as in epochs=60")
    end = end_of_training(settings["epochs"], settings["patience"], rows, settings["batch_size"])
    return Schedule(**(settings | end._asdict()))
