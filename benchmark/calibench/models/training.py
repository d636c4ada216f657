"""The one training loop, used by stage 1 on inputs and by head refits on features."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import nn

from calibench.errors import RunError
from calibench.models.schedule import Schedule
from calibench.models.stepper import Stepper
from calibench.stages import Report


def train(
    module: nn.Module,
    step: Callable[[torch.Tensor], torch.Tensor],
    validate: Callable[[], float],
    num_rows: int,
    schedule: Schedule,
    report: Report,
    what: str,
    *,
    companions: Sequence[nn.Module] = (),
    begin_epoch: Callable[[int], None] | None = None,
) -> dict[str, float]:
    """Steps over shuffled batches; the module ends at the kept checkpoint, in eval mode.

    `step(rows)` is the loss of the training rows `[n]`; `validate()` the validation NLL of the module as it stands;
    `companions` are trained beside it, and `begin_epoch(epoch)` is called before each epoch, from 1 on. Rows are
    shuffled by torch's global generator: wrap the call in `seeded`. Returns the kept epoch and its NLL.
    Raises RunError at the first loss that is not finite, naming the epoch, the step, the learning rate and the rows.
    """
    size = schedule.batch_size
    # Batch norm cannot train on one row.
    rows_used = num_rows - 1 if num_rows > size and num_rows % size == 1 else num_rows
    stepper = Stepper(module, companions, schedule, math.ceil(rows_used / size))
    best, best_epoch, best_state = math.inf, 0, None
    nll, last_state = math.inf, None
    for epoch in range(1, schedule.epochs + 1):
        for part in (module, *companions):
            part.train()
        if begin_epoch is not None:
            begin_epoch(epoch)
        batches = torch.randperm(num_rows).to(stepper.device)[:rows_used].split(size)
        for number, rows in enumerate(batches, 1):
            loss = step(rows)
            if not math.isfinite(loss.item()):
                message = f"{what}: the loss is {loss.item()} in epoch {epoch}, step {number} of {len(batches)}"
                shown = ", ".join(str(int(row)) for row in rows[:SHOWN]) + (", ..." if len(rows) > SHOWN else "")
                hint = f"the learning rate is {schedule.lr:g}; lower it with --set STAGE.lr=...; training rows {shown}"
                raise RunError(message, hint)
            stepper(loss)
        for part in (module, *companions):
            part.eval()
        with stepper.averaged():
            nll = validate()
            if not math.isfinite(nll):
                raise RunError(f"{what}: the validation NLL is {nll} in epoch {epoch}", "lower the learning rate")
            if nll < best:
                best, best_epoch = nll, epoch
                best_state = copy.deepcopy(module.state_dict()) if schedule.select == "best" else None
            if stepper.mean is not None:
                last_state = copy.deepcopy(module.state_dict())
        report(what, epoch, schedule.epochs, f"val NLL {nll:.4f}")
        if schedule.patience is not None and epoch - best_epoch >= schedule.patience:
            break
    kept = best_state if best_state is not None else last_state
    if kept is not None:
        module.load_state_dict(kept)
    if best_state is not None:
        return {"epoch": float(best_epoch), "val_nll": best}
    return {"epoch": float(epoch), "val_nll": nll}


SHOWN = 8
"""Rows of a batch that an error names."""


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generators inside the block and put back their state after it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def predict(module: nn.Module, x: torch.Tensor, batch_size: int = 1024) -> torch.Tensor:
    """`module(x)` in eval mode, without gradients, in batches."""
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
