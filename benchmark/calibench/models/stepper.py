"""Stepper: from the loss of a batch to the weights after it."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from calibench.models.schedule import MOMENTUM, Schedule


class Stepper:
    """Steps of a schedule for a module and its companions; `steps` is how many batches an epoch has."""

    def __init__(self, module: nn.Module, companions: Sequence[nn.Module], schedule: Schedule, steps: int) -> None:
        self.module, self.schedule, self.steps = module, schedule, steps
        self.parameters = [p for part in (module, *companions) for p in part.parameters() if p.requires_grad]
        self.device = self.parameters[0].device
        self.optimizer = self._optimizer()
        self.batches = 0
        decay = schedule.ema
        self.mean = (
            None if decay is None else AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        )

    def _optimizer(self) -> torch.optim.Optimizer:
        schedule = self.schedule
        fused = all(p.device.type in {"cpu", "cuda"} for p in self.parameters)
        lr, decay = schedule.lr, schedule.weight_decay
        if schedule.optimizer == "sgd":
            momentum = MOMENTUM if schedule.momentum is None else schedule.momentum
            return torch.optim.SGD(
                self.parameters, lr, momentum=momentum, weight_decay=decay, nesterov=momentum > 0, fused=fused
            )
        kind = torch.optim.AdamW if schedule.optimizer == "adamw" else torch.optim.Adam
        return kind(self.parameters, lr, weight_decay=decay, fused=fused)

    def __call__(self, loss: torch.Tensor) -> None:
        """Take the gradient of one batch's loss, and the step if as many batches have been seen as make one."""
        schedule = self.schedule
        place = self.batches % self.steps
        first = place - place % schedule.accumulate
        share = min(schedule.accumulate, self.steps - first)  # the last step of an epoch may have fewer batches
        if place == first:
            self.optimizer.zero_grad(set_to_none=True)
        (loss / share if share > 1 else loss).backward()
        self.batches += 1
        if place + 1 < first + share:
            return
        if schedule.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, schedule.clip_norm)
        # A warm-up's first step is not of length 0: it counts as done.
        done = (self.batches if self.batches <= schedule.warmup * self.steps else self.batches - share) / self.steps
        for group in self.optimizer.param_groups:
            group["lr"] = schedule.lr * schedule.factor(done)
        self.optimizer.step()
        if self.mean is not None:
            self.mean.update_parameters(self.module)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside the block the module holds the mean of its weights, where there is one."""
        if self.mean is None:
            yield
            return
        trained = copy.deepcopy(self.module.state_dict())
        self.module.load_state_dict(self.mean.module.state_dict())
        try:
            yield
        finally:
            self.module.load_state_dict(trained)
