"""`CalibrationCallback` for Lightning: calibration of every validation and test epoch, logged beside the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from calibench.errors import InputError
from calibench.integrations.batch_stream import BatchStream, as_scores, labels_in, scores_in
from calibench.models.vision_import import torchvision_operators

try:
    torchvision_operators()  # torchmetrics, which Lightning imports, imports torchvision where it finds one
    from lightning.pytorch import Callback, LightningModule, Trainer
except ImportError as error:
    raise InputError("the callback needs Lightning", 'pip install "calibench[lightning]"') from error

Read = Callable[[Any, Any], tuple[torch.Tensor, torch.Tensor]]
"""`read(outputs, batch)` returns logits `[N, K]` and labels `[N]`."""


class CalibrationCallback(Callback):  # type: ignore[misc]  # Lightning has no types where it is not installed
    """Logs `val_ece15`, `val_brier`, `val_nll` and `val_accuracy` after each validation epoch, `test_...` after a test.

    `validation_step` and `test_step` return `{"loss": ..., "logits": z}` (or `probs`). Labels are their entry `labels`, `label`,
    `target` or `y`, else that of the batch, else the second part of the batch. Or `read(outputs, batch)` returns logits and
    labels. Batches are summed, not kept, and processes are reduced. `bins` is the number of equal-width bins of the ECE.
    """

    def __init__(self, bins: int = 15, read: Read | None = None) -> None:
        self.read = read
        self.bins = BatchStream(bins).bins
        self.streams: dict[int, BatchStream] = {}

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Add a batch."""
        if not trainer.sanity_checking:
            self._add(outputs, batch, dataloader_idx)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Add a batch."""
        self._add(outputs, batch, dataloader_idx)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the figures of the epoch."""
        if not trainer.sanity_checking:
            self._log(pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the figures of the test."""
        self._log(pl_module, "test")

    def _add(self, outputs: Any, batch: Any, dataloader_idx: int) -> None:
        scores, labels = self._pair(outputs, batch)
        self.streams.setdefault(dataloader_idx, BatchStream(self.bins)).add(scores, labels)

    def _pair(self, outputs: Any, batch: Any) -> Any:
        if self.read is not None:
            return as_scores(self.read(outputs, batch))
        scores, labels = scores_in(outputs), labels_in(outputs, batch)
        if labels is None and isinstance(batch, list | tuple) and len(batch) > 1 and isinstance(batch[1], torch.Tensor):
            labels = batch[1]
        if scores is None or labels is None:
            missing = "logits" if scores is None else "labels"
            hint = 'return {"loss": loss, "logits": z, "labels": y}, or give read='
            raise InputError(
                f"CalibrationCallback finds no {missing} in what validation_step or test_step returned", hint
            )
        return scores, labels

    def _log(self, module: LightningModule, stage: str) -> None:
        for number, stream in sorted(self.streams.items()) or [(0, BatchStream(self.bins))]:
            suffix = "" if len(self.streams) < 2 else f"/dataloader_idx_{number}"
            figures = {f"{stage}_{name}{suffix}": value for name, value in stream.figures().items()}
            module.log_dict(
                figures, sync_dist=False, add_dataloader_idx=False
            )  # sums were reduced, and names are whole
        self.streams = {}
