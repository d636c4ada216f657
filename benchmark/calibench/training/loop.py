"""The one training loop, used by stage 1 on inputs and by head refits on features."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from calibench.cache.resume import Resume
from calibench.errors import RunError
from calibench.plugins.lifecycle import epoch_finished
from calibench.processes import ALONE, Processes
from calibench.progress import Report
from calibench.stages import Objective
from calibench.training.pace import Pace
from calibench.training.schedule import Schedule
from calibench.training.sharpness import repeatable
from calibench.training.state import TrainingState

SHOWN = 8
"""Rows of a batch that an error names."""


def train(  # noqa: PLR0913 - the public training loop: everything beyond the first seven is optional
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
    epoch_note: Callable[[], str] | None = None,
) -> dict[str, float]:
    """Train `module` over shuffled batches. It ends at the kept checkpoint, in eval mode.

    `step(rows)` is the loss of the training rows `[n]`; where `processes` train together, this process's part of it. A schedule
    with `sam_rho` calls it twice a batch, with the same random draws and with batch norm's running statistics put back.
    `validate()` is the validation NLL of the module as it stands. `objective` gets `begin_epoch` before each epoch, and its
    companions are trained beside the module. The report of an epoch shows `epoch_note()` after the NLL.

    torch's global generator shuffles the rows: wrap the call in `seeded`. With `resume` the training is kept on the way, and
    starts where an earlier one was cut off; a second call with the same `resume` starts anew.

    Returns `KeptCheckpoint.figures`: the kept epoch and its NLL, the last epoch, and the rule that ended it. Raises RunError at
    the first loss that is not finite, naming the epoch, the step, the learning rate and the rows.
    """
    state = TrainingState(module, objective, schedule, num_rows, processes)
    resume = None if resume is None else resume.claim()
    done = state.load(resume)
    if resume is not None and done:
        resume.announce(what, done, schedule.epochs)
    pace = Pace(report, what, schedule.epochs, done)
    for epoch in range(done + 1, schedule.epochs + 1):
        loss = _train_epoch(state, step, epoch, pace, what)
        nll = _validated(state, validate, epoch, what)
        state.course.add(loss, nll)
        epoch_finished(what, epoch, schedule.epochs, train_loss=loss, val_nll=nll, lr=state.stepper.last_lr)
        pace.epoch(epoch, f"val NLL {nll:.4f}" + ("" if epoch_note is None else f", {epoch_note()}"))
        if epoch == schedule.epochs:
            break
        if state.checkpoint.out_of_patience():
            pace.stop(epoch)
            break
        if resume is not None and resume.due():
            resume.write(state.tensors())
    state.course.end()
    state.load_kept_checkpoint()
    return state.checkpoint.figures()


def _train_epoch(
    state: TrainingState, step: Callable[[torch.Tensor], torch.Tensor], epoch: int, pace: Pace, what: str
) -> float:
    """One pass over the training rows; returns the mean of their losses."""
    state.begin_epoch(epoch)
    batches = state.batches()
    pace.begin()
    summed = 0.0
    for number, rows in enumerate(batches, 1):
        state.processes.step = state.stepper.batches
        again = None if state.schedule.sam_rho is None else repeatable(step, rows, state.processes)
        loss = step(rows)
        total = state.processes.total(loss).item()
        if not math.isfinite(total):
            message = f"{what}: the loss is {total} in epoch {epoch}, step {number} of {len(batches)}"
            first = ", ".join(str(int(row)) for row in rows[:SHOWN]) + (", ..." if len(rows) > SHOWN else "")
            lower = f"the learning rate is {state.schedule.lr:g}; lower it with --set STAGE.lr=..."
            raise RunError(message, f"{lower}; training rows {first}")
        summed += total * len(rows)
        state.stepper(loss, again)
        pace.step(epoch - 1 + number / len(batches), len(rows))
    return summed / max(sum(map(len, batches)), 1)


def _validated(state: TrainingState, validate: Callable[[], float], epoch: int, what: str) -> float:
    """The validation NLL after an epoch; the checkpoint is kept if it is the one to keep."""
    state.eval()
    with state.stepper.averaged():
        # Equal on every process to the last bit: processes that disagreed on patience would wait for each other.
        nll = state.processes.same(validate())
        if not math.isfinite(nll):
            raise RunError(f"{what}: the validation NLL is {nll} in epoch {epoch}", "lower the learning rate")
        state.checkpoint.see(epoch, nll, state.module)
    return nll
