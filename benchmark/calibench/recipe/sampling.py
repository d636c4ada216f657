"""Sampling: several predictions from one trained network, each by a variant that the sampler makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from calibench.cache.keys import identity, stage_key
from calibench.cache.results import StageResult, StageResults
from calibench.config.grammar import Bound, who
from calibench.errors import PluginError, blaming
from calibench.models.network import Network
from calibench.outputs.outputs import Outputs
from calibench.seeds import derived_seed, seeded
from calibench.stages import Sampler, SampleTask
from calibench.stages.sampler import as_it_is

ROWS = 1024
"""Rows that go through the network at a time."""

HeadOutputs = Callable[[torch.Tensor, str], Outputs]
"""Outputs of features `[n, D]`; the text names the random draws of a head that draws."""


class Sampling:
    """The sampler of one member, with the tensors that it collects beside the trained network."""

    def __init__(self, bound: Bound, sampler: Sampler, network: Network, results: StageResults, seed: int) -> None:
        self.bound, self.sampler, self.network = bound, sampler, network
        self.results, self.seed = results, seed
        self.collected: Mapping[str, torch.Tensor] | None = None
        self.trained_weights: dict[str, torch.Tensor] = {}

    def prepare(self, body_key: str, new_task: Callable[[], SampleTask]) -> None:
        """Collect once, from the cache or now; later, put back the trained weights, which the last variant has changed."""
        if self.collected is not None:
            self.network.load_state_dict(self.trained_weights)
            return
        if self.results.processes.size > 1 and self._collects:
            task = new_task()  # all processes build the task, which may train out of fold; the first alone collects
            new_task = lambda: task  # noqa: E731
        self.collected = self._collect(body_key, new_task)
        self.trained_weights = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}

    def outputs(
        self, train_x: torch.Tensor, inputs: Mapping[str, torch.Tensor], head: HeadOutputs
    ) -> dict[str, list[Outputs]]:
        """Outputs of every set of rows in `inputs` by every variant, in order; PluginError if there is no variant."""
        assert self.collected is not None
        outputs: dict[str, list[Outputs]] = {name: [] for name in inputs}
        with seeded(derived_seed(self.seed, "variants")), blaming(who(self.bound)):
            number = -1
            for number, view in enumerate(self.sampler.variants(self.network, self.collected, train_x)):
                for name, x in inputs.items():
                    viewed = x if view is as_it_is else view(x)
                    with torch.inference_mode():
                        features = torch.cat([self.network.body(rows) for rows in viewed.split(ROWS)])
                    outputs[name].append(head(features.clone(), f"{name}, variant {number}"))
            if number < 0:
                raise PluginError(f"{type(self.sampler).__name__} made no variant", "correct the plugin")
        return outputs

    @property
    def _collects(self) -> bool:
        return type(self.sampler).collect is not Sampler.collect

    def _collect(self, body_key: str, new_task: Callable[[], SampleTask]) -> Mapping[str, torch.Tensor]:
        """The tensors that the sampler needs beside the network; empty for one that collects nothing.

        `new_task()` puts the objective where stage 1 left it. It is called only if nothing is cached.
        """
        if not self._collects:
            return {}

        def collect() -> StageResult:
            task = new_task()
            with seeded(derived_seed(self.seed, "collect")), blaming(who(self.bound)):
                return StageResult(dict(self.sampler.collect(self.network, task)), {})

        device = next(self.network.parameters()).device
        key = stage_key("sampler", body_key, identity(self.bound), self.seed)
        result = self.results.get_or_make("sampler", key, collect)
        return {name: tensor.to(device) for name, tensor in result.tensors.items()}
