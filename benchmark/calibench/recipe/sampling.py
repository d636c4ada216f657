"""Runs a sampler: what it collects once, and what the network says in each of its variants."""

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


def collect(
    sampler: Sampler,
    bound: Bound,
    network: Network,
    new_task: Callable[[], SampleTask],
    products: StageResults,
    body_key: str,
    seed: int,
) -> Mapping[str, torch.Tensor]:
    """What the sampler needs beside the network, from the cache or made now; nothing for one that collects nothing.

    `new_task()` is called only where something is made: it brings the objective to where stage 1 left it.
    """
    if type(sampler).collect is Sampler.collect:
        return {}

    def make() -> StageResult:
        task = new_task()
        with seeded(derived_seed(seed, "collect")), blaming(who(bound)):
            return StageResult(dict(sampler.collect(network, task)), {})

    device = next(network.parameters()).device
    product = products.of("sampler", stage_key("sampler", body_key, identity(bound), seed), make)
    return {name: tensor.to(device) for name, tensor in product.tensors.items()}


def sampled(
    sampler: Sampler,
    network: Network,
    collected: Mapping[str, torch.Tensor],
    train_x: torch.Tensor,
    inputs: Mapping[str, torch.Tensor],
    head: Callable[[torch.Tensor, str], Outputs],
) -> dict[str, list[Outputs]]:
    """Outputs of every split of `inputs` in every variant; `head(features, draws)` turns features `[n, D]` into outputs.

    `draws` names the split and the variant, for heads that draw at random. PluginError if there is no variant.
    """
    found: dict[str, list[Outputs]] = {name: [] for name in inputs}
    number = -1
    for number, view in enumerate(sampler.variants(network, collected, train_x)):
        for name, x in inputs.items():
            seen = x if view is as_it_is else view(x)
            with torch.inference_mode():
                features = torch.cat([network.body(rows) for rows in seen.split(ROWS)])
            found[name].append(head(features.clone(), f"{name}, variant {number}"))
    if number < 0:
        raise PluginError(f"{type(sampler).__name__} made no variant", "mend the plugin")
    return found
