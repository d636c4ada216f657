"""Stepper: from the loss of a batch to the weights after it."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from calibench.cache.results import strip_prefix
from calibench.processes import ALONE, Processes
from calibench.training.schedule import MOMENTUM, Schedule


class Stepper:
    """Steps of a schedule for a module and its companions; `steps` is how many batches an epoch has."""

    def __init__(
        self,
        module: nn.Module,
        companions: Sequence[nn.Module],
        schedule: Schedule,
        steps: int,
        processes: Processes = ALONE,
    ) -> None:
        self.module, self.schedule, self.steps, self.processes = module, schedule, steps, processes
        self.parameters = [p for part in (module, *companions) for p in part.parameters() if p.requires_grad]
        self.device = self.parameters[0].device
        self.optimizer = self._optimizer()
        # float16 has no exponents for small gradients: they are scaled up, and a step that overflows is left out.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=schedule.precision == "float16")
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
        self.scaler.scale(loss / share if share > 1 else loss).backward()
        self.batches += 1
        if place + 1 < first + share:
            return
        self.processes.add_gradients(self.parameters)
        self.scaler.unscale_(self.optimizer)
        if schedule.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, schedule.clip_norm)
        # A warm-up's first step is not of length 0: it counts as done.
        done = (self.batches if self.batches <= schedule.warmup * self.steps else self.batches - share) / self.steps
        for group in self.optimizer.param_groups:
            group["lr"] = schedule.lr * schedule.factor(done)
        scale = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.mean is not None and self.scaler.get_scale() >= scale:  # else the step was left out
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

    def state(self) -> dict[str, torch.Tensor]:
        """All that decides the steps that follow, beside the module: the optimiser's moments, the running mean, the scale."""
        moments = self.optimizer.state_dict()["state"]
        held = {
            f"optimizer.{number}.{name}": value
            for number, entry in moments.items()
            for name, value in entry.items()
            if isinstance(value, torch.Tensor)
        }
        held["batches"] = torch.tensor(self.batches)
        if self.mean is not None:
            held |= {f"mean.{name}": value for name, value in self.mean.state_dict().items()}
        for name, value in self.scaler.state_dict().items():
            held[f"scaler.{name}"] = torch.tensor(value, dtype=torch.float64)
        return held

    def load_state(self, held: Mapping[str, torch.Tensor]) -> None:
        """Puts back what `state` gave; the optimiser's settings are the schedule's."""
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, kept in strip_prefix(held, "optimizer.").items():
            number, _, entry = name.partition(".")
            weights = self.parameters[int(number)].detach()
            # Fused steps go through memory as it lies: with channels last a moment must lie as its weights do.
            alike = kept.shape == weights.shape
            value = torch.empty_like(weights, dtype=kept.dtype).copy_(kept) if alike else kept
            moments.setdefault(int(number), {})[entry] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.batches = int(held["batches"])
        if self.mean is not None:
            self.mean.load_state_dict(strip_prefix(held, "mean."))
        scale = {name: value.item() for name, value in strip_prefix(held, "scaler.").items()}
        if scale:
            counts = {"growth_interval", "_growth_tracker"}
            self.scaler.load_state_dict({k: int(v) if k in counts else v for k, v in scale.items()})
