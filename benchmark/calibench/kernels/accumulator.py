"""`CalibrationAccumulator`: `calibration_stats` over batches, in O(bins) memory, in one process or several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.kernels import checks, dispatch, loader, state
from calibench.kernels.result import Fault
from calibench.kernels.stats import CalibrationStats
from calibench.lazy import torch

if TYPE_CHECKING:
    from torch import distributed

_CLASS = "CalibrationAccumulator"


class CalibrationAccumulator:
    """Running sums over batches of logits `[N, K]` or probabilities, in M bins: 4 (M + 2) numbers for any N.

    `compute()` returns the result of `calibration_stats` for all rows at once. Counts are exact. Sums are equal to the last
    bit if every batch but the last has a multiple of `chunk_rows(K, bins)` rows, else to 1e-15. `merge` adds another
    accumulator, `all_reduce` those of other processes. An accumulator can be pickled, and loaded on a machine without the
    compiled kernels or without the device.

    A bad row raises an InputError that names the row within its batch, and leaves the sums unchanged. On CUDA `update`
    does not wait for the device: it leaves out a bad batch, and reading a figure of `compute()` raises the error.
    """

    def __init__(self, bins: int = 15, *, from_probs: bool = False, device: str | torch.device = "cpu") -> None:
        checks.check_bins(_CLASS, bins)
        self.bins = bins
        self.from_probs = bool(from_probs)
        self.num_classes: int | None = None
        self._state = state.zero(bins, torch.device(device))
        self._fault = no_fault(self._state.device)

    @classmethod
    def over(cls, sums: torch.Tensor, fault: torch.Tensor, *, from_probs: bool = False) -> CalibrationAccumulator:
        """An accumulator that adds to the caller's tensors, so that a module may hold them as its own state.

        `sums` is `state.zero(bins, device)` and `fault` is `no_fault(device)` before the first batch.
        """
        accumulator = object.__new__(cls)
        accumulator.bins, accumulator.from_probs, accumulator.num_classes = len(sums) - 2, bool(from_probs), None
        accumulator._state, accumulator._fault = sums, fault
        return accumulator

    @property
    def device(self) -> torch.device:
        """The device of the sums; batches must be on it."""
        return self._state.device

    def update(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Adds a batch: scores `[N, K]` and labels `[N]` on the accumulator's device, types as in `calibration_stats`."""
        caller = f"{_CLASS}.update"
        checks.check_tensor(caller, "scores", logits)
        checks.check_inputs(caller, logits, labels, self.bins)
        if logits.device != self.device:
            hint = f"move them, or make the accumulator with device={str(logits.device)!r}"
            raise InputError(f"{caller}: scores are on {logits.device} and the sums on {self.device}", hint)
        classes = self._common_classes(caller, logits.shape[1])
        if loader.fused(logits, "calibration_update"):
            inputs = (self._state, self._fault, logits.detach(), labels, self.bins, self.from_probs)
            dispatch.call(caller, "calibration_update", *inputs)
        else:
            dispatch.define("calibration_update", caller, self._state, logits, labels, self.bins, self.from_probs)
        self.num_classes = classes

    def merge(self, other: CalibrationAccumulator) -> None:
        """Adds the rows of another accumulator. InputError unless bins, kind of scores and number of classes are equal."""
        caller = f"{_CLASS}.merge"
        if not isinstance(other, CalibrationAccumulator):
            raise InputError(f"{caller}: cannot merge a {type(other).__name__}", "give another CalibrationAccumulator")
        _refuse_other_settings(caller, (self.bins, self.from_probs), (other.bins, other.from_probs))
        if other.num_classes is not None:
            self.num_classes = self._common_classes(caller, other.num_classes)
        self._add(other._state.to(self.device), other._fault.to(self.device))

    def all_reduce(self, group: distributed.ProcessGroup | None = None) -> None:
        """Replaces the sums of every process by the sums over all of them. Call it once, at the end.

        Every process of `group` must call it, also one that has seen no row. Sums are added in the order of the processes,
        so all end with the same bits. InputError if processes differ in bins, kind of scores or number of classes, or if
        torch.distributed is not initialised.
        """
        from torch import distributed

        caller = f"{_CLASS}.all_reduce"
        if not (distributed.is_available() and distributed.is_initialized()):
            hint = "call torch.distributed.init_process_group() first; one process alone has nothing to reduce"
            raise InputError(f"{caller}: torch.distributed is not initialised", hint)
        # NCCL moves tensors on GPUs only.
        transport = torch.device("cuda") if distributed.get_backend(group) == "nccl" else self.device
        settings = torch.tensor([self.bins, self.from_probs, self.num_classes or 0], device=transport)
        for process, (bins, from_probs, classes) in enumerate(row.tolist() for row in _gather(settings, group)):
            whose = f"{caller}: process {process}"
            _refuse_other_settings(whose, (self.bins, self.from_probs), (bins, bool(from_probs)))
            if classes:
                self.num_classes = self._common_classes(whose, classes)
        states = _gather(self._state.to(transport), group)
        faults = _gather(self._fault.to(transport), group)
        self.reset()
        for part, fault in zip(states, faults, strict=True):
            self._add(part.to(self.device), fault.to(self.device))

    def compute(self) -> CalibrationStats:
        """The sums so far, as copies; more batches may follow."""
        fault = None
        if self.device.type != "cpu":
            fault = Fault(f"{_CLASS}.update (one of the batches)", self.num_classes or 0, self._fault.clone())
        return CalibrationStats._of(state.read(self._state), fault)

    def reset(self) -> None:
        """Forgets every row, bad rows included."""
        self._state.zero_()
        self._fault.copy_(no_fault(self.device))

    def _common_classes(self, caller: str, classes: int) -> int:
        """The number of classes, if earlier rows had as many or there were none."""
        if self.num_classes not in {None, classes}:
            message = f"{caller}: {classes} classes after batches of {self.num_classes}"
            raise InputError(message, "use an accumulator for each problem")
        return classes

    def _add(self, part: torch.Tensor, fault: torch.Tensor) -> None:
        with torch.no_grad():
            state.add(self._state, part)
            self._fault.copy_(torch.where(fault[0] < self._fault[0], fault, self._fault))

    def __getstate__(self) -> dict[str, Any]:
        tensors = {"state": self._state.to("cpu", copy=True), "fault": self._fault.to("cpu", copy=True)}
        return {**{name: getattr(self, name) for name in _SETTINGS}, "device": str(self.device), **tensors}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        for name in _SETTINGS:
            setattr(self, name, saved[name])
        device = torch.device(saved["device"])
        if device.type == "cuda" and not torch.cuda.is_available():
            device = torch.device("cpu")
        self._state, self._fault = saved["state"].to(device), saved["fault"].to(device)

    def __repr__(self) -> str:
        probs = ", from_probs=True" if self.from_probs else ""
        return f"{_CLASS}({self.bins}{probs}, device={str(self.device)!r})"


_SETTINGS = ("bins", "from_probs", "num_classes")


def no_fault(device: torch.device) -> torch.Tensor:
    """The fault `[2]` of batches without a bad row."""
    fault = torch.zeros(2, dtype=torch.int64, device=device)
    fault[0] = checks.NO_FAULT
    return fault


def _gather(tensor: torch.Tensor, group: distributed.ProcessGroup | None) -> list[torch.Tensor]:
    """The tensor of every process, in their order."""
    from torch import distributed

    tensors = [torch.empty_like(tensor) for _ in range(distributed.get_world_size(group))]
    distributed.all_gather(tensors, tensor.contiguous(), group=group)
    return tensors


def _refuse_other_settings(caller: str, ours: tuple[int, bool], theirs: tuple[int, bool]) -> None:
    for name, our_value, their_value in zip(("bins", "from_probs"), ours, theirs, strict=True):
        if our_value != their_value:
            message = f"{caller}: {name}={their_value} does not go with {name}={our_value}"
            raise InputError(message, "give every part the same settings")
