"""Training, as keyed stages: body -> features -> refitted head -> outputs. Each product is cached under all that decided it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from calibench.artifacts import StageCache, code_of, stage_key
from calibench.config import RunConfig
from calibench.data.prepare import SPLITS, Data
from calibench.errors import InputError, PluginError, blaming
from calibench.grammar import Bound
from calibench.models.network import Network, Task
from calibench.models.training import Schedule, mean_nll, predict, seeded, train
from calibench.outputs import Outputs
from calibench.stages import Batch, HeadRefit, Objective, RefitTask, Report
from calibench.stages.build import as_figures, build_stage, who

PURPOSES = ("stage1", "stage2", "sampling", "posthoc")


def derived_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose of a run, from SHA-256 of both, so that no two uses share a stream."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "big") >> 1


SECONDS = "seconds"


@dataclass(frozen=True)
class Product:
    """What a stage made: tensors, and figures for the record (the epoch kept, its validation NLL, the seconds it took)."""

    tensors: Mapping[str, torch.Tensor]
    figures: dict[str, float]

    def packed(self) -> dict[str, torch.Tensor]:
        """Both as named tensors, as the cache keeps them."""
        figures = {f"figure.{k}": torch.tensor(v, dtype=torch.float64) for k, v in self.figures.items()}
        return {**{f"tensor.{k}": v for k, v in self.tensors.items()}, **figures}

    @classmethod
    def unpacked(cls, held: Mapping[str, torch.Tensor]) -> Product:
        """The product that `packed` came from."""

        def part(prefix: str) -> dict[str, torch.Tensor]:
            return {k.removeprefix(prefix): v for k, v in held.items() if k.startswith(prefix)}

        return cls(part("tensor."), {k: float(v) for k, v in part("figure.").items()})


class Pipeline:
    """The trained part of one run: `outputs(split)` for a checked configuration and its data.

    Building it trains nothing but raises InputError for whatever cannot work, so that a run fails before it writes.
    """

    def __init__(self, config: RunConfig, data: Data, cache: StageCache, report: Report) -> None:
        self.config, self.data, self.cache, self.report = config, data, cache, report
        self.seeds = {purpose: derived_seed(config.seed, purpose) for purpose in PURPOSES}
        self.timings: dict[str, float] = {}
        self.fitted: list[dict[str, Any]] = []
        self.device = torch.device(config.device)
        self.objective: Objective = build_stage(config.objective)
        refits = config.of_kind("refit")
        self.refit: HeadRefit | None = build_stage(refits[0]) if refits else None
        with seeded(self.seeds["stage1"]), blaming(who(config.model)):
            self.network: Network = config.model.spec.load()(Task.of(data), **config.model.own())
        self._check()

    def _check(self) -> None:
        if not isinstance(self.network, Network):
            message = f"{who(self.config.model)} built a {type(self.network).__name__}, not a calibench.Network"
            raise PluginError(message, "mend the plugin")
        objective = self.config.objective
        if self.network.pretrained:
            idle = sorted(key for key in self.config.stated if key.startswith(f"{objective.name}."))
            if self.refit is not None:  # --select is for every stage that trains: it has one to act on
                idle = [key for key in idle if key != f"{objective.name}.select"]
            what = f"{idle[0]} would do nothing" if idle else f"objective {objective.name!r} would do nothing"
            if idle or not objective.spec.default:
                message = f"model {self.config.model.name!r} trains nothing in stage 1, so {what}"
                hint = "leave it out; stage 2 has its own settings, as in --set vtst.epochs=20"
                raise InputError(message, hint)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the seconds of the block to `timings[what]`."""
        start = time.perf_counter()
        yield
        self.timings[what] = self.timings.get(what, 0.0) + time.perf_counter() - start

    def run(self, splits: tuple[str, ...]) -> dict[str, Outputs]:
        """Outputs of the given splits, training what the cache does not hold."""
        body_key = self._stage_1()
        if self.refit is None:
            with self.timed("predict"):
                return {name: Outputs(predict(self.network, self._x(name)).cpu()) for name in splits}
        features = self._features(body_key)
        head = self._stage_2(self.refit, body_key, features)
        outputs = {}
        with self.timed("predict"):
            for name in splits:
                with seeded(derived_seed(self.seeds["sampling"], name)), blaming(who(self.config.of_kind("refit")[0])):
                    found = self.refit.outputs(head, features[name])
                outputs[name] = Outputs(found.scores.cpu(), found.from_probs)
        return outputs

    def _stage_1(self) -> str:
        config, network = self.config, self.network
        network.to(self.device)
        key = stage_key(
            "stage1",
            [_identity(config.objective), _identity(config.model), self.data.fingerprint, self.seeds["stage1"]],
            [torch.__version__, torch.get_num_threads(), self.device.type],
        )
        if network.pretrained:
            why = "the network was given trained"
            self.fitted.append({"stage": config.objective.name, "trained": False, "why": why})
            return key
        product = self._product_of("stage1", key, self._train_stage_1)
        network.load_state_dict(product.tensors)
        self.fitted.append({"stage": config.objective.name, "trained": True, **product.figures})
        return key

    def _train_stage_1(self) -> Product:
        objective, network = self.objective, self.network
        params = self.config.objective.params
        schedule = Schedule(**{k: params[k] for k in ("epochs", "lr", "batch_size", "weight_decay", "select")})  # type: ignore[arg-type]
        x, y = self._x("train"), self._y("train")
        val_x, val_y = self._x("val"), self._y("val")

        def step(rows: torch.Tensor) -> torch.Tensor:
            return objective.step(network, Batch(x[rows], y[rows], rows))

        def validate() -> float:
            return mean_nll(predict(network, val_x), val_y)

        with seeded(self.seeds["stage1"]), blaming(f"{who(self.config.objective)} on {who(self.config.model)}"):
            objective.prepare(y, self.data.num_classes)
            what = f"stage 1, {self.config.objective.name}"
            figures = train(network, step, validate, len(y), schedule, self.report, what)
        return Product(network.state_dict(), figures)

    def _features(self, body_key: str) -> dict[str, torch.Tensor]:
        """What the frozen body puts out for every split: computed once, in eval mode, so that nothing in it can move."""

        def make() -> Product:
            with blaming(who(self.config.model)):
                return Product({name: predict(self.network.body, self._x(name)) for name in SPLITS}, {})

        given = self.network.pretrained  # then they are the data itself, not worth a second copy on disk
        product = self._product_of("features", stage_key("features", body_key), make, keep=not given)
        return {name: features.to(self.device) for name, features in product.tensors.items()}

    def _stage_2(self, refit: HeadRefit, body_key: str, features: dict[str, torch.Tensor]) -> nn.Module:
        bound = self.config.of_kind("refit")[0]
        key = stage_key("stage2", body_key, _identity(bound), self.seeds["stage2"])
        with seeded(self.seeds["stage2"]), blaming(who(bound)):
            head = refit.build(self.network.feature_size, self.data.num_classes).to(self.device)

            def make() -> Product:
                task = RefitTask(
                    train_features=features["train"],
                    train_labels=self._y("train"),
                    val_features=features["val"],
                    val_labels=self._y("val"),
                    num_classes=self.data.num_classes,
                    original_head=self.network.head,
                    seed=self.seeds["stage2"],
                    report=self.report,
                )
                figures = as_figures(bound, refit.fit(head, task))
                return Product(head.state_dict(), {name: float(value) for name, value in figures.items()})

            product = self._product_of("stage2", key, make)
            head.load_state_dict(product.tensors)
        self.fitted.append({"stage": bound.name, "trained": True, **product.figures})
        return head.eval()

    def _product_of(self, stage: str, key: str, make: Callable[[], Product], *, keep: bool = True) -> Product:
        """A stage's product from the cache, else made and kept; its seconds, too, are those of the making."""
        held = self.cache.get(stage, key) if keep else None
        if held is not None:
            product = Product.unpacked(held)
        else:
            start = time.perf_counter()
            product = make()
            product.figures[SECONDS] = time.perf_counter() - start
            if keep:
                self.cache.put(stage, key, product.packed())
        self.timings[stage] = product.figures.pop(SECONDS)
        return product

    def _x(self, split: str) -> torch.Tensor:
        x: NDArray[np.float32] = getattr(self.data, split).x
        return torch.from_numpy(x).to(self.device)

    def _y(self, split: str) -> torch.Tensor:
        y: NDArray[np.int64] = getattr(self.data, split).y
        return torch.from_numpy(y).to(self.device)


def _identity(bound: Bound) -> list[Any]:
    return [bound.document(), code_of(bound)]
