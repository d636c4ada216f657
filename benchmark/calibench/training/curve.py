"""The course of a training: the training loss and the validation NLL after each epoch, handed to the stage that asked for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

Curve = dict[str, list[float]]
"""`train_loss`, the mean loss of the training rows during each epoch, and `val_nll`, in nats, after it; from epoch 1 on."""

SERIES = ("train_loss", "val_nll")

_LISTENER: ContextVar[list[Curve] | None] = ContextVar("curves", default=None)


@contextmanager
def listening() -> Iterator[list[Curve]]:
    """A list that the curve of each training inside the block is added to when the training ends."""
    curves: list[Curve] = []
    token = _LISTENER.set(curves)
    try:
        yield curves
    finally:
        _LISTENER.reset(token)


def last_of(curves: list[Curve]) -> Curve:
    """The curve of the last training; empty if there was none."""
    return curves[-1] if curves else {}


class Course:
    """The points of a training that goes on; part of its state, so that a resumed training has them all."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []

    def add(self, train_loss: float, val_nll: float) -> None:
        """Note the end of an epoch."""
        self.points.append((train_loss, val_nll))

    def end(self) -> None:
        """Hand the curve to the block that listens."""
        curves = _LISTENER.get()
        if curves is not None:
            curves.append({name: [point[k] for point in self.points] for k, name in enumerate(SERIES)})

    def state(self) -> dict[str, torch.Tensor]:
        """The points as a tensor `[E, 2]`."""
        return {"points": torch.tensor(self.points, dtype=torch.float64).reshape(-1, 2)}

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        """Restore the values that `state` returned."""
        self.points = [(loss, nll) for loss, nll in state["points"].tolist()]
