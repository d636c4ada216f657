"""The one training loop, used by stage 1 on inputs and by head refits on features."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from calibench.cache.results import strip_prefix
from calibench.cache.resume import Resume
from calibench.errors import RunError
from calibench.processes import ALONE, Processes
from calibench.progress import Report
from calibench.seeds import put_back_random, random_state
from calibench.stages import Objective
from calibench.training.kept import Kept
from calibench.training.pace import Pace
from calibench.training.schedule import Schedule
from calibench.training.stepper import Stepper


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
    processes: Processes = ALONE,
    also: Callable[[], str] | None = None,
) -> dict[str, float]:
    """Steps over shuffled batches; the module ends at the kept checkpoint, in eval mode.

    `step(rows)` is the loss of the training rows `[n]`; `validate()` the validation NLL of the module as it stands.
    `objective`, where there is one, has its companions trained beside the module and is told of every epoch. Rows are
    shuffled by torch's global generator: wrap the call in `seeded`. With `resume` the training is kept on the way, and
    begins where an earlier one was cut off; a second call with the same `resume` does without. Where `processes` train
    together, `step(rows)` is this rank's part of the loss.
    `also()` is what the report says after the NLL. Returns the kept epoch and its NLL, and with a patience the last epoch.
    Raises RunError at the first loss that is not finite, naming the epoch, the step, the learning rate and the rows.
    """
    size = schedule.batch_size
    companions = () if objective is None else tuple(objective.companions())
    # Batch norm cannot train on one row.
    rows_used = num_rows - 1 if num_rows > size and num_rows % size == 1 else num_rows
    stepper = Stepper(module, companions, schedule, math.ceil(rows_used / size), processes)
    kept = Kept(schedule.select == "best", schedule.patience)
    done = 0
    resume = None if resume is None else resume.claim()
    held = processes.same(None if resume is None else resume.read())
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
            processes.step = stepper.batches
            loss = step(rows)
            seen = processes.total(loss).item()
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
            nll = processes.same(
                validate()
            )  # to the last bit: processes that disagreed on patience would wait for each other
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
    module.load_state_dict(strip_prefix(held, "module."))
    for i, companion in enumerate(companions):
        companion.load_state_dict(strip_prefix(held, f"companion{i}."))
    stepper.load_state(strip_prefix(held, "stepper."))
    kept.load_state(strip_prefix(held, "kept."), stepper.device)
    if objective is not None:
        objective.load_state({k: v.to(stepper.device) for k, v in strip_prefix(held, "objective.").items()})
    put_back_random(strip_prefix(held, "random."), stepper.device)
    return kept.epoch


SHOWN = 8
"""Rows of a batch that an error names."""
