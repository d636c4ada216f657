"""The one training loop, used by stage 1 on inputs and by head refits on features."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import nn

from calibench.errors import RunError
from calibench.models.pace import Pace
from calibench.models.resume import Resume
from calibench.models.schedule import Schedule
from calibench.models.stepper import Stepper
from calibench.products import part_of
from calibench.ranks import ALONE, Ranks
from calibench.stages import Objective, Report


def train(
    module: nn.Module,
    step: Callable[[torch.Tensor], torch.Tensor],
    validate: Callable[[], float],
    num_rows: int,
    schedule: Schedule,
    report: Report,
    what: str,
    *,
    objective: Objective | None = None,
    resume: Resume | None = None,
    ranks: Ranks = ALONE,
    also: Callable[[], str] | None = None,
) -> dict[str, float]:
    """Steps over shuffled batches; the module ends at the kept checkpoint, in eval mode.

    `step(rows)` is the loss of the training rows `[n]`; `validate()` the validation NLL of the module as it stands.
    `objective`, where there is one, has its companions trained beside the module and is told of every epoch. Rows are
    shuffled by torch's global generator: wrap the call in `seeded`. With `resume` the training is kept on the way, and
    begins where an earlier one was cut off; a second call with the same `resume` does without. Where `ranks` train
    together, `step(rows)` is this rank's part of the loss.
    `also()` is what the report says after the NLL. Returns the kept epoch and its NLL, and with a patience the last epoch.
    Raises RunError at the first loss that is not finite, naming the epoch, the step, the learning rate and the rows.
    """
    size = schedule.batch_size
    companions = () if objective is None else tuple(objective.companions())
    # Batch norm cannot train on one row.
    rows_used = num_rows - 1 if num_rows > size and num_rows % size == 1 else num_rows
    stepper = Stepper(module, companions, schedule, math.ceil(rows_used / size), ranks)
    kept = Kept(schedule.select == "best", schedule.patience)
    done = 0
    resume = None if resume is None else resume.claim()
    held = ranks.same(None if resume is None else resume.read())
    if held is not None:
        done = _load(held, module, companions, stepper, kept, objective)
    if resume is not None and done:
        resume.tell(what, done, schedule.epochs)
    pace = Pace(report, what, schedule.epochs, done)
    for epoch in range(done + 1, schedule.epochs + 1):
        for part in (module, *companions):
            part.train()
        if objective is not None:
            objective.begin_epoch(epoch)
        batches = torch.randperm(num_rows).to(stepper.device)[:rows_used].split(size)
        pace.begin()
        for number, rows in enumerate(batches, 1):
            ranks.step = stepper.batches
            loss = step(rows)
            seen = ranks.total(loss).item()
            if not math.isfinite(seen):
                message = f"{what}: the loss is {seen} in epoch {epoch}, step {number} of {len(batches)}"
                shown = ", ".join(str(int(row)) for row in rows[:SHOWN]) + (", ..." if len(rows) > SHOWN else "")
                hint = f"the learning rate is {schedule.lr:g}; lower it with --set STAGE.lr=...; training rows {shown}"
                raise RunError(message, hint)
            stepper(loss)
            pace.step(epoch - 1 + number / len(batches), len(rows))
        for part in (module, *companions):
            part.eval()
        with stepper.averaged():
            nll = ranks.same(validate())  # to the last bit: ranks that disagreed on patience would wait for each other
            if not math.isfinite(nll):
                raise RunError(f"{what}: the validation NLL is {nll} in epoch {epoch}", "lower the learning rate")
            kept.see(epoch, nll, module)
        pace.epoch(epoch, f"val NLL {nll:.4f}" + ("" if also is None else f", {also()}"))
        if epoch < schedule.epochs and kept.out_of_patience():
            pace.stop(epoch)
            break
        if resume is not None and epoch < schedule.epochs and resume.due():
            resume.write(_state(module, companions, stepper, kept, objective))
    with stepper.averaged():  # the mean of the weights, where the last epoch is kept
        last = copy.deepcopy(module.state_dict()) if stepper.mean is not None else None
    if (weights := kept.weights or last) is not None:
        module.load_state_dict(weights)
    return kept.figures()


class Kept:
    """The checkpoint that a training ends at: that of lowest validation NLL if `best`, whose weights are held, else the last."""

    def __init__(self, best: bool, patience: int | None) -> None:
        self.hold, self.patience = best, patience
        self.best, self.best_epoch = math.inf, 0
        self.nll, self.epoch = math.inf, 0
        self.weights: dict[str, torch.Tensor] | None = None

    def see(self, epoch: int, nll: float, module: nn.Module) -> None:
        """An epoch has ended with this validation NLL and the module's weights."""
        self.epoch, self.nll = epoch, nll
        if nll < self.best:
            self.best, self.best_epoch = nll, epoch
            self.weights = copy.deepcopy(module.state_dict()) if self.hold else None

    def out_of_patience(self) -> bool:
        """Whether the NLL has not fallen for as many epochs as there was patience for."""
        return self.patience is not None and self.epoch - self.best_epoch >= self.patience

    def figures(self) -> dict[str, float]:
        """The kept epoch and its NLL, and where patience might have ended the training, the last epoch."""
        epoch, nll = (self.best_epoch, self.best) if self.weights is not None else (self.epoch, self.nll)
        found = {"epoch": float(epoch), "val_nll": nll}
        return found if self.patience is None else found | {"ended_after": float(self.epoch)}

    def state(self) -> dict[str, torch.Tensor]:
        """All of it as tensors."""
        figures = torch.tensor([self.best, self.best_epoch, self.nll, self.epoch], dtype=torch.float64)
        return {"figures": figures} | {f"weights.{k}": v for k, v in (self.weights or {}).items()}

    def load_state(self, held: Mapping[str, torch.Tensor], device: torch.device) -> None:
        """Puts back what `state` gave."""
        best, best_epoch, nll, epoch = held["figures"].tolist()
        self.best, self.best_epoch, self.nll, self.epoch = best, int(best_epoch), nll, int(epoch)
        self.weights = {k: v.to(device) for k, v in part_of(held, "weights.").items()} or None


def _state(
    module: nn.Module, companions: Sequence[nn.Module], stepper: Stepper, kept: Kept, objective: Objective | None
) -> dict[str, torch.Tensor]:
    """All that decides the epochs that follow, as tensors."""
    parts = {
        "module": module.state_dict(),
        **{f"companion{i}": companion.state_dict() for i, companion in enumerate(companions)},
        "stepper": stepper.state(),
        "kept": kept.state(),
        "objective": {} if objective is None else objective.state(),
        "random": random_state(stepper.device),
    }
    return {f"{part}.{name}": tensor for part, held in parts.items() for name, tensor in held.items()}


def _load(
    held: Mapping[str, torch.Tensor],
    module: nn.Module,
    companions: Sequence[nn.Module],
    stepper: Stepper,
    kept: Kept,
    objective: Objective | None,
) -> int:
    """Puts back what `_state` gave; returns how many epochs are done."""
    module.load_state_dict(part_of(held, "module."))
    for i, companion in enumerate(companions):
        companion.load_state_dict(part_of(held, f"companion{i}."))
    stepper.load_state(part_of(held, "stepper."))
    kept.load_state(part_of(held, "kept."), stepper.device)
    if objective is not None:
        objective.load_state({k: v.to(stepper.device) for k, v in part_of(held, "objective.").items()})
    put_back_random(part_of(held, "random."), stepper.device)
    return kept.epoch


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Where torch's global generators stand, as tensors: the processor's and, on CUDA, the device's."""
    held = {"cpu": torch.get_rng_state()}
    return held if device.type != "cuda" else held | {"cuda": torch.cuda.get_rng_state(device)}


def put_back_random(held: Mapping[str, torch.Tensor], device: torch.device) -> None:
    """Puts back what `random_state` gave."""
    torch.set_rng_state(held["cpu"])
    if "cuda" in held:
        torch.cuda.set_rng_state(held["cuda"], device)


SHOWN = 8
"""Rows of a batch that an error names."""


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generators inside the block and put back their state after it."""
    # One device: torch warns of a fork of several, as where torchrun gives each process its own.
    with torch.random.fork_rng([torch.cuda.current_device()] if torch.cuda.is_available() else []):
        torch.manual_seed(seed)
        yield


def predict(module: nn.Module, x: torch.Tensor, batch_size: int = 1024, ranks: Ranks = ALONE) -> torch.Tensor:
    """`module(x)` in eval mode, without gradients, in batches; of `ranks` each passes its part, and all have the whole."""
    if ranks.size > 1:
        return ranks.gathered(predict(module, x[ranks.part(len(x))], batch_size), len(x))
    module.eval()
    with torch.inference_mode():
        found = torch.cat([module(rows) for rows in x.split(min(batch_size, rows_at_once(x)))])
    return found.clone()  # out here, an ordinary tensor: a head may be trained on it


def mean_nll(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Mean of `-log softmax(logits)[y]` in float64."""
    return float(nn.functional.cross_entropy(logits.double(), labels))


CACHED_NUMBERS = 400_000
"""Numbers of input that a processor predicts at once: 130 images of CIFAR in place of 1 024 take resnet:depth=20 from 3.8 to
1.8 s a thousand, vit and wrn:depth=16,width=4 from 3.7 to 2.8 and from 7.6 to 7.0 s for 512 (one thread, November 2026)."""


def rows_at_once(x: torch.Tensor) -> int:
    """How many rows of `x [N, ...]` to predict at once: on a processor as many as its cache is for, else no fewer than all."""
    numbers = math.prod(x.shape[1:])
    return max(1, len(x)) if x.device.type != "cpu" else max(32, CACHED_NUMBERS // max(1, numbers))
