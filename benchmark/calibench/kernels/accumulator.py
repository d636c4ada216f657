"""`CalibrationAccumulator`: calibration_stats over batches, in O(bins) memory, also over several processes."""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed

from calibench.errors import InputError
from calibench.kernels import checks, dispatch, loader, reference, state
from calibench.kernels.result import Fault
from calibench.kernels.stats import CalibrationStats

_WHERE = "CalibrationAccumulator"


class CalibrationAccumulator:
    """Running sums over batches of logits `[N, K]` or probabilities, in M bins: 4 (M + 2) numbers, whatever N is.

    `compute()` gives what `calibration_stats` gives on all rows at once: counts exactly, sums to the last bit if every
    batch but the last has a multiple of `chunk_rows(K, bins)` rows, else to 1e-15. Accumulators of parts `merge`, those
    of processes `all_reduce`. They can be pickled, also to a machine without the compiled kernels or the device.

    A bad row is an InputError that names it within its batch, and leaves the sums as they were. On CUDA `update` does not
    wait: its batch is left out, and the first look at a computed figure tells.
    """

    def __init__(self, bins: int = 15, *, from_probs: bool = False, device: str | torch.device = "cpu") -> None:
        checks.check_bins(_WHERE, bins)
        self.bins = bins
        self.from_probs = bool(from_probs)
        self.num_classes: int | None = None
        self._state = state.zero(bins, torch.device(device))
        self._fault = _no_fault(self._state.device)

    @property
    def device(self) -> torch.device:
        """Where the sums lie and where batches must."""
        return self._state.device

    def update(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Adds a batch: scores `[N, K]` and labels `[N]` on the accumulator's device, types as in `calibration_stats`."""
        where = f"{_WHERE}.update"
        checks.check_inputs(where, logits, labels, self.bins)
        if logits.device != self.device:
            hint = f"move them, or make the accumulator with device={str(logits.device)!r}"
            raise InputError(f"{where}: scores are on {logits.device} and the sums on {self.device}", hint)
        classes = self._agree(where, logits.shape[1])
        if loader.fused(logits.device, "calibration_update"):
            arguments = (self._state, self._fault, logits.detach(), labels, self.bins, self.from_probs)
            dispatch.call(where, "calibration_update", *arguments)
        else:
            reference.calibration_update(where, self._state, logits, labels, self.bins, self.from_probs)
        self.num_classes = classes

    def merge(self, other: CalibrationAccumulator) -> None:
        """Adds the rows that another accumulator has seen; InputError unless it has the same bins and kind of scores."""
        where = f"{_WHERE}.merge"
        if not isinstance(other, CalibrationAccumulator):
            raise InputError(f"{where}: cannot merge a {type(other).__name__}", "give another CalibrationAccumulator")
        _refuse_difference(where, (self.bins, self.from_probs), (other.bins, other.from_probs))
        if other.num_classes is not None:
            self.num_classes = self._agree(where, other.num_classes)
        self._add(other._state.to(self.device), other._fault.to(self.device))

    def all_reduce(self, group: distributed.ProcessGroup | None = None) -> None:
        """Replaces the sums of every rank by those over all processes, added in the order of processes; call it once, at the end.

        Every rank of `group` must call it, also one that has seen no row; all end with the same bits. InputError where
        processes differ in bins or kind of scores, or torch.distributed is not initialised.
        """
        where = f"{_WHERE}.all_reduce"
        if not (distributed.is_available() and distributed.is_initialized()):
            hint = "call torch.distributed.init_process_group() first; one process alone has nothing to reduce"
            raise InputError(f"{where}: torch.distributed is not initialised", hint)
        # NCCL moves tensors on GPUs only.
        away = torch.device("cuda") if distributed.get_backend(group) == "nccl" else self.device
        kinds = _gather(torch.tensor([self.bins, self.from_probs, self.num_classes or 0], device=away), group)
        for rank, (bins, from_probs, classes) in enumerate(kind.tolist() for kind in kinds):
            _refuse_difference(f"{where}: rank {rank}", (self.bins, self.from_probs), (bins, bool(from_probs)))
            if classes:
                self.num_classes = self._agree(f"{where}: rank {rank}", classes)
        states = _gather(self._state.to(away), group)
        faults = _gather(self._fault.to(away), group)
        self.reset()
        for part, fault in zip(states, faults, strict=True):
            self._add(part.to(self.device), fault.to(self.device))

    def compute(self) -> CalibrationStats:
        """The sums so far, as copies; more batches may follow."""
        fault = None
        if self.device.type != "cpu":
            fault = Fault(f"{_WHERE}.update (one of the batches)", self.num_classes or 0, self._fault.clone())
        return CalibrationStats._of(state.read(self._state), fault)

    def reset(self) -> None:
        """Forgets every row, and bad ones too."""
        self._state.zero_()
        self._fault.copy_(_no_fault(self.device))

    def _agree(self, where: str, classes: int) -> int:
        if self.num_classes not in {None, classes}:
            message = f"{where}: {classes} classes after batches of {self.num_classes}"
            raise InputError(message, "use an accumulator for each problem")
        return classes

    def _add(self, other: torch.Tensor, fault: torch.Tensor) -> None:
        with torch.no_grad():
            state.add(self._state, other)
            self._fault.copy_(torch.where(fault[0] < self._fault[0], fault, self._fault))

    def __getstate__(self) -> dict[str, Any]:
        tensors = {"state": self._state.to("cpu", copy=True), "fault": self._fault.to("cpu", copy=True)}
        return {**{name: getattr(self, name) for name in _CONFIG}, "device": str(self.device), **tensors}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        for name in _CONFIG:
            setattr(self, name, saved[name])
        device = torch.device(saved["device"])
        if device.type == "cuda" and not torch.cuda.is_available():
            device = torch.device("cpu")
        self._state, self._fault = saved["state"].to(device), saved["fault"].to(device)

    def __repr__(self) -> str:
        probs = ", from_probs=True" if self.from_probs else ""
        return f"{_WHERE}({self.bins}{probs}, device={str(self.device)!r})"


_CONFIG = ("bins", "from_probs", "num_classes")


def _no_fault(device: torch.device) -> torch.Tensor:
    fault = torch.zeros(2, dtype=torch.int64, device=device)
    fault[0] = checks.NO_FAULT
    return fault


def _gather(mine: torch.Tensor, group: distributed.ProcessGroup | None) -> list[torch.Tensor]:
    parts = [torch.empty_like(mine) for _ in range(distributed.get_world_size(group))]
    distributed.all_gather(parts, mine.contiguous(), group=group)
    return parts


def _refuse_difference(where: str, mine: tuple[int, bool], theirs: tuple[int, bool]) -> None:
    for what, a, b in zip(("bins", "from_probs"), mine, theirs, strict=True):
        if a != b:
            raise InputError(f"{where}: {what}={b} does not go with {what}={a}", "give every part the same settings")
