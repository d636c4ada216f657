"""StageResults: the result of each stage, from the cache or computed now, with its seconds."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from calibench.cache.resume import Resume
from calibench.cache.stage_cache import StageCache
from calibench.plugins.lifecycle import stage_finished, within
from calibench.plugins.listeners import clock

SECONDS = "seconds"


def strip_prefix(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with `prefix`, under the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class StageResult:
    """The result of a stage: tensors, figures (the kept epoch, its validation NLL, the seconds), and learned JSON values.

    `curve` is the course of its training, a number an epoch by series; empty for a stage that trains nothing.
    """

    tensors: Mapping[str, torch.Tensor]
    figures: dict[str, float]
    learned: dict[str, Any] = field(default_factory=dict)
    curve: dict[str, list[float]] = field(default_factory=dict)

    def packed(self) -> dict[str, torch.Tensor]:
        """The result as named tensors, in the form that the cache keeps."""
        figures = {f"figure.{k}": torch.tensor(v, dtype=torch.float64) for k, v in self.figures.items()}
        curve = {f"curve.{k}": torch.tensor(v, dtype=torch.float64) for k, v in self.curve.items()}
        packed = {**{f"tensor.{k}": v for k, v in self.tensors.items()}, **figures, **curve}
        if self.learned:
            packed["learned"] = torch.frombuffer(bytearray(json.dumps(self.learned).encode()), dtype=torch.uint8)
        return packed

    @classmethod
    def unpacked(cls, tensors: Mapping[str, torch.Tensor]) -> StageResult:
        """The result that `packed` came from."""
        learned = json.loads(bytes(tensors["learned"].tolist())) if "learned" in tensors else {}
        figures = {name: float(value) for name, value in strip_prefix(tensors, "figure.").items()}
        curve = {name: values.tolist() for name, values in strip_prefix(tensors, "curve.").items()}
        return cls(strip_prefix(tensors, "tensor."), figures, learned, curve)


class StageResults:
    """Results of stages by key. `timings` adds up, by stage, the seconds that making them took, now or in an earlier run.

    All `processes` ask for the same results in the same order, and all receive those of the first.
    """

    def __init__(self, cache: StageCache) -> None:
        self.cache, self.processes = cache, cache.processes
        self.timings: dict[str, float] = {}
        self._spent = 0.0

    def get_or_make(
        self, stage: str, key: str, make: Callable[[], StageResult], *, keep: bool = True, together: bool = False
    ) -> StageResult:
        """The result from the cache, or from `make`. `keep` False bypasses the cache.

        All processes make it `together`, or the first makes it for all.
        """
        cached = self.processes.same(self.cache.get(stage, key) if keep else None)
        with contextlib.ExitStack() as alone:
            if cached is None and keep:
                alone.enter_context(self.cache.making(stage, key))
                cached = self.processes.same(self.cache.get(stage, key))  # another process may have made it meanwhile
            result = self._made(stage, key, make, keep, together) if cached is None else StageResult.unpacked(cached)
        seconds = result.figures.pop(SECONDS)
        self.timings[stage] = self.timings.get(stage, 0.0) + seconds
        stage_finished(stage, seconds, from_cache=cached is not None, figures=result.figures, curve=result.curve)
        return result

    def _made(self, stage: str, key: str, make: Callable[[], StageResult], keep: bool, together: bool) -> StageResult:
        """The result of `make`, with its seconds, kept in the cache if asked for."""
        start, inside = clock(), self._spent
        with within(stage=stage):
            result = make() if together or self.processes.size == 1 else self._by_the_first(make)
        seconds = clock() - start
        before = result.figures.get(SECONDS, 0.0)  # spent before a kill, on a result that was resumed
        result.figures[SECONDS] = before + seconds - (self._spent - inside)  # nested results count their own
        self._spent = inside + seconds
        if keep:
            self.cache.put(stage, key, result.packed())
        return result

    def get_or_train(
        self, stage: str, key: str, make: Callable[[Resume | None], StageResult], *, together: bool = False
    ) -> StageResult:
        """The result of a training. `make(resume)` keeps the training on the way, and resumes one that was cut off."""
        resume = Resume.of(self.cache, stage, key)

        def make_and_count() -> StageResult:
            result = make(resume)
            if resume is not None:
                result.figures[SECONDS] = resume.before
            return result

        result = self.get_or_make(stage, key, make_and_count, together=together)
        if resume is not None:
            resume.remove()
        return result

    def _by_the_first(self, make: Callable[[], StageResult]) -> StageResult:
        if self.processes.first:
            result = make()
            self.processes.same({name: tensor.detach().cpu() for name, tensor in result.packed().items()})
            return result
        return StageResult.unpacked(self.processes.same({}))
