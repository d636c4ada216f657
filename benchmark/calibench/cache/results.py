"""StageResults: what a stage made, from the cache or made now, with the seconds of the making."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from calibench.cache.resume import Resume
from calibench.cache.stage_cache import StageCache

SECONDS = "seconds"


def strip_prefix(held: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with `prefix`, under the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in held.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class StageResult:
    """What a stage made: tensors, figures (the epoch kept, its validation NLL, the seconds), and JSON that it learned."""

    tensors: Mapping[str, torch.Tensor]
    figures: dict[str, float]
    learned: dict[str, Any] = field(default_factory=dict)

    def packed(self) -> dict[str, torch.Tensor]:
        """All as named tensors, as the cache keeps them."""
        figures = {f"figure.{k}": torch.tensor(v, dtype=torch.float64) for k, v in self.figures.items()}
        packed = {**{f"tensor.{k}": v for k, v in self.tensors.items()}, **figures}
        if self.learned:
            packed["learned"] = torch.frombuffer(bytearray(json.dumps(self.learned).encode()), dtype=torch.uint8)
        return packed

    @classmethod
    def unpacked(cls, held: Mapping[str, torch.Tensor]) -> StageResult:
        """The product that `packed` came from."""

        learned = json.loads(bytes(held["learned"].tolist())) if "learned" in held else {}
        return cls(
            strip_prefix(held, "tensor."), {k: float(v) for k, v in strip_prefix(held, "figure.").items()}, learned
        )


class StageResults:
    """Stage products by key. `timings` adds up, by stage, the seconds that the products took to make, now or then.

    All `processes` ask for the same products in the same order, and all are given rank 0's.
    """

    def __init__(self, cache: StageCache) -> None:
        self.cache, self.processes = cache, cache.processes
        self.timings: dict[str, float] = {}
        self._spent = 0.0

    def of(
        self, stage: str, key: str, make: Callable[[], StageResult], *, keep: bool = True, together: bool = False
    ) -> StageResult:
        """The product from the cache, else made and, if `keep`, kept; by all processes `together`, or by the first for all."""
        held = self.processes.same(self.cache.get(stage, key) if keep else None)
        if held is not None:
            product = StageResult.unpacked(held)
        else:
            start, inside = time.perf_counter(), self._spent
            product = make() if together or self.processes.size == 1 else self._by_the_first(make)
            took = time.perf_counter() - start
            before = product.figures.get(SECONDS, 0.0)  # of a making that was cut off and taken up again
            product.figures[SECONDS] = before + took - (self._spent - inside)  # products made on the way have their own
            self._spent = inside + took
            if keep:
                self.cache.put(stage, key, product.packed())
        self.timings[stage] = self.timings.get(stage, 0.0) + product.figures.pop(SECONDS)
        return product

    def trained(
        self, stage: str, key: str, make: Callable[[Resume | None], StageResult], *, together: bool = False
    ) -> StageResult:
        """The product of a training, which `make(resume)` keeps on the way and takes up again where it was cut off."""
        resume = Resume.of(self.cache, stage, key)

        def made() -> StageResult:
            product = make(resume)
            if resume is not None:
                product.figures[SECONDS] = resume.before
            return product

        product = self.of(stage, key, made, together=together)
        if resume is not None:
            resume.remove()
        return product

    def _by_the_first(self, make: Callable[[], StageResult]) -> StageResult:
        if self.processes.first:
            product = make()
            self.processes.same({name: tensor.detach().cpu() for name, tensor in product.packed().items()})
            return product
        return StageResult.unpacked(self.processes.same({}))
