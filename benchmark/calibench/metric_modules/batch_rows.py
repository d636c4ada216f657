"""The rows of a batch: predictions of any number of dimensions become scores `[N, K]`, as torchmetrics reads them."""

from __future__ import annotations

import torch

from calibench.errors import InputError


def class_rows(
    preds: torch.Tensor, target: torch.Tensor, num_classes: int, ignore_index: int | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores `[N, K]` and labels `[N]` of predictions `[B, K, ...]` and targets `[B, ...]`, without those of `ignore_index`.

    InputError for other shapes, and for predictions that are no floating-point numbers.
    """
    shape = f"predictions {list(preds.shape)} and targets {list(target.shape)}"
    if preds.ndim != target.ndim + 1 or preds.shape[:1] + preds.shape[2:] != target.shape:
        raise InputError(f"{shape} do not fit each other", "give [N, K, ...] and [N, ...]")
    if preds.shape[1] != num_classes:
        raise InputError(f"{shape}: there are {num_classes} classes", "the second dimension holds the classes")
    if not preds.is_floating_point():
        raise InputError(f"predictions have type {preds.dtype}", "give probabilities or logits")
    rows = preds.movedim(1, -1).reshape(-1, num_classes)
    return _kept(rows, target.reshape(-1), ignore_index)


def binary_rows(
    preds: torch.Tensor, target: torch.Tensor, ignore_index: int | None, from_logits: bool | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities `[N, 2]` in float64 and labels `[N]` of predictions of class 1 `[B, ...]` and targets `[B, ...]`."""
    if preds.shape != target.shape:
        shape = f"predictions {list(preds.shape)} and targets {list(target.shape)}"
        raise InputError(
            f"{shape} do not fit each other", "give the probability or the logit of class 1 for each target"
        )
    if not preds.is_floating_point():
        raise InputError(f"predictions have type {preds.dtype}", "give probabilities or logits")
    scores, labels = _kept(preds.reshape(-1), target.reshape(-1), ignore_index)
    p = scores.double()
    if not are_probabilities(scores, from_logits):
        p = p.sigmoid()
    return torch.stack([1 - p, p], dim=1), labels


def are_probabilities(scores: torch.Tensor, from_logits: bool | None) -> bool:
    """False for logits. If `from_logits` is None: True if every score of the batch lies in [0, 1], as torchmetrics decides."""
    if from_logits is not None:
        return not from_logits
    if not scores.numel():
        return True
    low, high = torch.aminmax(scores.detach())
    return bool((low >= 0) & (high <= 1))


def _kept(rows: torch.Tensor, labels: torch.Tensor, ignore_index: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    if ignore_index is not None:
        kept = labels != ignore_index
        rows, labels = rows[kept], labels[kept]
    return rows.contiguous(), labels if labels.dtype in (torch.int64, torch.int32, torch.uint8) else labels.long()
