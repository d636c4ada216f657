"""The work of one of two processes of torch.distributed, in a module that spawned processes can import."""

from __future__ import annotations

import importlib

import torch

SIZES = (700, 301)
"""Rows of the first and of the second process."""

CLASSES = 5


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    """The rows of both processes: logits and labels."""
    generator = torch.Generator().manual_seed(0)
    n = sum(SIZES)
    return torch.randn(n, CLASSES, generator=generator) * 2, torch.randint(CLASSES, (n,), generator=generator)


def modules() -> dict[str, object]:
    """Each module, built anew."""
    from calibench import metrics

    return {
        "l1": metrics.MulticlassCalibrationError(CLASSES),
        "max": metrics.MulticlassCalibrationError(CLASSES, norm="max"),
        "classwise": metrics.ClasswiseCalibrationError(CLASSES),
        "brier": metrics.BrierScore(CLASSES),
        "nll": metrics.NegativeLogLikelihood(CLASSES),
        "accuracy": metrics.MulticlassAccuracy(CLASSES, average="macro"),
    }


def compute(process: int, folder: str) -> None:
    """The figure of each module, computed by this process after two batches of its own; and after a reset, of one batch."""
    torch.set_num_threads(1)
    # Its functions keep a group that exists at its import, whose threads then abort the process at its end.
    importlib.import_module("torch.distributed.nn.functional")
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=process, world_size=2)
    x, y = rows()
    own = slice(0, SIZES[0]) if process == 0 else slice(SIZES[0], None)
    figures = {}
    for name, module in modules().items():
        for part in (slice(0, 100), slice(100, None)):
            module.update(x[own][part], y[own][part])
        figures[name] = float(module.compute())
        before = module.metric_state
        assert all(int(value.shape[0]) for value in before.values())
    torch.distributed.destroy_process_group()
    torch.save(figures, f"{folder}/{process}.pt")
