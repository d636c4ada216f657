"""Stepper: one optimiser step from the loss of a batch."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from calibench.cache.results import strip_prefix
from calibench.processes import ALONE, Processes
from calibench.training.schedule import MOMENTUM, Schedule
from calibench.training.sharpness import buffers_kept, uphill


class Stepper:
    """The optimiser of a module and its companions, with the schedule's learning rates. `steps` is the batches of an epoch."""

    def __init__(
        self,
        module: nn.Module,
        companions: Sequence[nn.Module],
        schedule: Schedule,
        steps: int,
        processes: Processes = ALONE,
    ) -> None:
        self.module, self.schedule, self.steps, self.processes = module, schedule, steps, processes
        self.modules = (module, *companions)
        self.parameters = [p for part in self.modules for p in part.parameters() if p.requires_grad]
        self.device = self.parameters[0].device
        self.optimizer = self._optimizer()
        # Small gradients underflow in float16: the loss is scaled up, and a step that overflows is skipped.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=schedule.precision == "float16")
        self.batches = 0
        self.repeats: list[Callable[[], torch.Tensor]] = []
        """The second passes of the batches whose step is not complete yet (`sam_rho`)."""
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

    def __call__(self, loss: torch.Tensor, again: Callable[[], torch.Tensor] | None = None) -> None:
        """Add the gradient of one batch's loss, and take a step if this batch completes one (`accumulate`).

        `again()` computes the loss anew with the same random draws; a schedule with `sam_rho` needs it.
        """
        schedule = self.schedule
        place = self.batches % self.steps
        first = place - place % schedule.accumulate
        share = min(schedule.accumulate, self.steps - first)  # the last step of an epoch may have fewer batches
        if place == first:
            self.optimizer.zero_grad(set_to_none=True)
            self.repeats = []
        self._backward(loss, share)
        if again is not None:
            self.repeats.append(again)
        self.batches += 1
        if place + 1 < first + share:
            return
        self.processes.add_gradients(self.parameters)
        if schedule.sam_rho is not None:
            self._take_gradient_uphill(schedule.sam_rho, share)
        self.scaler.unscale_(self.optimizer)
        if schedule.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, schedule.clip_norm)
        # In a warm-up the current step counts as done, so that the first one is not of length 0.
        done = (self.batches if self.batches <= schedule.warmup * self.steps else self.batches - share) / self.steps
        for group in self.optimizer.param_groups:
            group["lr"] = schedule.lr * schedule.factor(done)
        scale = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.mean is not None and self.scaler.get_scale() >= scale:  # else the step was skipped
            self.mean.update_parameters(self.module)

    def _backward(self, loss: torch.Tensor, share: int) -> None:
        self.scaler.scale(loss / share if share > 1 else loss).backward()

    def _take_gradient_uphill(self, rho: float, share: int) -> None:
        """Replace the gradient by that at the weights uphill. One that overflowed stays, and the scaler skips its step."""
        assert len(self.repeats) == share, "a schedule with sam_rho needs a second pass of every batch"
        with uphill(self.parameters, rho) as moved, buffers_kept(self.modules):
            if not moved:
                return
            self.optimizer.zero_grad(set_to_none=True)
            for again in self.repeats:
                self._backward(again(), share)
        self.processes.add_gradients(self.parameters)

    def last_lr(self) -> float:
        """The learning rate of the last step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside the block the module has the running mean of its weights, if there is one."""
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
        """Everything that decides later steps, apart from the module: the optimiser's moments, the running mean, the scale."""
        moments = self.optimizer.state_dict()["state"]
        state = {
            f"optimizer.{number}.{name}": value
            for number, entry in moments.items()
            for name, value in entry.items()
            if isinstance(value, torch.Tensor)
        }
        state["batches"] = torch.tensor(self.batches)
        if self.mean is not None:
            state |= {f"mean.{name}": value for name, value in self.mean.state_dict().items()}
        for name, value in self.scaler.state_dict().items():
            state[f"scaler.{name}"] = torch.tensor(value, dtype=torch.float64)
        return state

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore the values that `state` returned; the optimiser's settings come from the schedule."""
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, moment in strip_prefix(state, "optimizer.").items():
            number, _, entry = name.partition(".")
            weights = self.parameters[int(number)].detach()
            # Fused steps walk through memory in order: with channels last a moment must have the layout of its weights.
            per_weight = moment.shape == weights.shape
            value = torch.empty_like(weights, dtype=moment.dtype).copy_(moment) if per_weight else moment
            moments.setdefault(int(number), {})[entry] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.batches = int(state["batches"])
        if self.mean is not None:
            self.mean.load_state_dict(strip_prefix(state, "mean."))
        scale = {name: value.item() for name, value in strip_prefix(state, "scaler.").items()}
        if scale:
            counts = {"growth_interval", "_growth_tracker"}
            self.scaler.load_state_dict({k: int(v) if k in counts else v for k, v in scale.items()})
