"""TrainingState: everything that decides later epochs, so that a training can be kept on disk and resumed."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

from calibench.cache.results import strip_prefix
from calibench.cache.resume import Resume
from calibench.processes import Processes
from calibench.seeds import random_state, restore_random_state
from calibench.stages import Objective
from calibench.training.curve import Course
from calibench.training.kept_checkpoint import KeptCheckpoint
from calibench.training.schedule import Schedule
from calibench.training.stepper import Stepper


class TrainingState:
    """A module in training with its objective's companions, its optimiser, and the checkpoint kept so far."""

    def __init__(
        self,
        module: nn.Module,
        objective: Objective | None,
        schedule: Schedule,
        num_rows: int,
        processes: Processes,
    ) -> None:
        self.module, self.objective, self.schedule, self.processes = module, objective, schedule, processes
        self.num_rows = num_rows
        self.companions = () if objective is None else tuple(objective.companions())
        size = schedule.batch_size
        # Batch norm cannot train on one row.
        self.rows_used = num_rows - 1 if num_rows > size and num_rows % size == 1 else num_rows
        steps = math.ceil(self.rows_used / size)
        self.stepper = Stepper(module, self.companions, schedule, steps, processes)
        self.checkpoint = KeptCheckpoint(schedule)
        self.course = Course()

    def begin_epoch(self, epoch: int) -> None:
        """Put everything that trains into training mode, and tell the objective."""
        for part in (self.module, *self.companions):
            part.train()
        if self.objective is not None:
            self.objective.begin_epoch(epoch)

    def eval(self) -> None:
        """Put everything that trains into eval mode."""
        for part in (self.module, *self.companions):
            part.eval()

    def batches(self) -> tuple[torch.Tensor, ...]:
        """The rows of an epoch in random order, batch by batch."""
        order = torch.randperm(self.num_rows).to(self.stepper.device)
        batches: tuple[torch.Tensor, ...] = order[: self.rows_used].split(self.schedule.batch_size)
        return batches

    def tensors(self) -> dict[str, torch.Tensor]:
        """The whole state as named tensors."""
        parts = {
            "module": self.module.state_dict(),
            **{f"companion{i}": companion.state_dict() for i, companion in enumerate(self.companions)},
            "stepper": self.stepper.state(),
            "checkpoint": self.checkpoint.state(),
            "course": self.course.state(),
            "objective": {} if self.objective is None else self.objective.state(),
            "random": random_state(self.stepper.device),
        }
        return {f"{part}.{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}

    def load(self, resume: Resume | None) -> int:
        """Restore the state that `resume` has kept, on every process; returns how many epochs are done."""
        tensors = self.processes.same(None if resume is None else resume.read())
        if tensors is None:
            return 0
        self.module.load_state_dict(strip_prefix(tensors, "module."))
        for i, companion in enumerate(self.companions):
            companion.load_state_dict(strip_prefix(tensors, f"companion{i}."))
        device = self.stepper.device
        self.stepper.load_state(strip_prefix(tensors, "stepper."))
        self.checkpoint.load_state(strip_prefix(tensors, "checkpoint."), device)
        self.course.load_state(strip_prefix(tensors, "course."))
        if self.objective is not None:
            state = strip_prefix(tensors, "objective.")
            self.objective.load_state({name: tensor.to(device) for name, tensor in state.items()})
        restore_random_state(strip_prefix(tensors, "random."), device)
        return self.checkpoint.epoch

    def load_kept_checkpoint(self) -> None:
        """Leave the module at the kept checkpoint: the best one, or the last, of the running mean where there is one."""
        with self.stepper.averaged():
            mean = copy.deepcopy(self.module.state_dict()) if self.stepper.mean is not None else None
        weights = self.checkpoint.weights or mean
        if weights is not None:
            self.module.load_state_dict(weights)
