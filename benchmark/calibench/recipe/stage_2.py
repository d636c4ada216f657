"""Stage 2: a head refit, trained on the features of the frozen body, or on the whole network if the refit tunes the body."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from calibench.cache.keys import identity, stage_key
from calibench.cache.results import StageResult, StageResults
from calibench.cache.resume import Resume
from calibench.config.grammar import Bound, who
from calibench.data.on_device import OnDevice
from calibench.errors import blaming
from calibench.models.network import Network
from calibench.outputs.outputs import Outputs
from calibench.progress import Report
from calibench.recipe.unchanged import unchanged
from calibench.records.stage_end import end_of_stage
from calibench.seeds import seeded
from calibench.stages import HeadRefit, RefitTask, TuneTask
from calibench.stages.build import as_figures
from calibench.training.curve import Curve, last_of, listening
from calibench.training.prediction import predict


class Stage2:
    """The head refit of one member. `figures` are for the record, once it has trained."""

    def __init__(
        self, bound: Bound, refit: HeadRefit, network: Network, rows: OnDevice, results: StageResults, seed: int
    ) -> None:
        self.bound, self.refit, self.network = bound, refit, network
        self.rows, self.results, self.seed = rows, results, seed
        self.figures: dict[str, Any] = {}
        self.curve: Curve = {}

    def train_head(self, body_key: str, features: dict[str, torch.Tensor], report: Report) -> nn.Module:
        """A head in eval mode for the frozen body, trained on the `features` of train and val, or from the cache."""
        data, network = self.rows.data, self.network
        with seeded(self.seed), blaming(who(self.bound)):
            head = self.refit.build(network.feature_size, data.num_classes).to(self.rows.device)

            def train(resume: Resume | None) -> StageResult:
                task = RefitTask(
                    train_features=features["train"],
                    train_labels=self.rows.y("train"),
                    val_features=features["val"],
                    val_labels=self.rows.y("val"),
                    num_classes=data.num_classes,
                    original_head=network.head,
                    seed=self.seed,
                    report=report,
                    augmented=lambda view: predict(network.body, view(self.rows.x("train"))),
                    input_shape=data.train.x.shape[1:],
                    resume=resume,
                )
                rows = {f"{name}_features": features[name] for name in ("train", "val")}
                with listening() as curves, unchanged(who(self.bound), **rows, train_labels=task.train_labels):
                    learned = self.refit.fit(head, task)
                return self._result(head, learned, last_of(curves))

            head.load_state_dict(self._trained(body_key, train).tensors)
        return head.eval()

    def tune(self, body_key: str, report: Report) -> str:
        """Train the whole network with a fresh head, or take it from the cache; returns the key of the tuned network."""
        network = self.network
        with seeded(self.seed), blaming(who(self.bound)):
            network.head = self.refit.build(network.feature_size, self.rows.data.num_classes).to(self.rows.device)

            def train(resume: Resume | None) -> StageResult:
                splits = {name: (self.rows.x(name), self.rows.y(name)) for name in ("train", "val")}
                task = TuneTask(*splits["train"], *splits["val"], report, resume)
                with listening() as curves:
                    learned = self.refit.tune(network, task)
                return self._result(network, learned, last_of(curves))

            network.load_state_dict(self._trained(body_key, train).tensors)
        return self._key(body_key)

    def outputs(self, head: nn.Module, features: torch.Tensor, seed: int) -> Outputs:
        """Outputs of the refitted head for features `[n, D]`, on the CPU; `seed` is that of heads that draw at random."""
        with seeded(seed), blaming(who(self.bound)), unchanged(who(self.bound), features=features):
            outputs = self.refit.outputs(head, features)
        return Outputs(outputs.scores.cpu(), outputs.from_probs)

    def _key(self, body_key: str) -> str:
        return stage_key("stage2", body_key, identity(self.bound), self.seed)

    def _trained(self, body_key: str, train: Any) -> StageResult:
        result = self.results.get_or_train("stage2", self._key(body_key), train)
        self.curve = result.curve
        self.figures = {"stage": self.bound.name, "trained": True, **result.figures, **end_of_stage(result.figures)}
        return result

    def _result(self, module: nn.Module, learned: Any, curve: Curve) -> StageResult:
        figures = as_figures(self.bound, learned)
        return StageResult(module.state_dict(), {name: float(value) for name, value in figures.items()}, curve=curve)
