"""Data and a network that the calling program passes: once both are loaded, the configuration describes them for the record."""

from __future__ import annotations

import dataclasses

from calibench.config.grammar import Bound
from calibench.config.run_config import RunConfig
from calibench.data.in_memory import InMemoryData
from calibench.data.prepare import Data
from calibench.errors import InputError
from calibench.models.in_memory import InMemoryModel
from calibench.models.network import Network, Task
from calibench.models.provenance import source_of
from calibench.plugins.params import Param
from calibench.seeds import derived_seed, member_seed, seeded


def describe_in_memory(config: RunConfig, data: Data) -> tuple[RunConfig, bool]:
    """The configuration with digests and facts of in-memory data and networks, and whether the run may be cached.

    Other configurations come back unchanged. Raises InputError for a network that does not fit the data.
    """
    may_cache = True
    if isinstance(config.dataset.spec, InMemoryData):
        dataset = _with_digest(config.dataset, data.clean_fingerprint[:12])
        config = dataclasses.replace(config, dataset=dataset)
    if isinstance(config.model.spec, InMemoryModel):
        task = Task.of(data)
        network = _initial_network(config.model.spec, task, config.seed, member=0)
        if not network.pretrained:
            _check_initial_weights(config, task, network)
        config = dataclasses.replace(config, model=config.model.spec.with_facts(network))
        may_cache = source_of(network) is not None
    return config, may_cache


def _with_digest(dataset: Bound, digest: str) -> Bound:
    params = (Param("sha256", "str", None, "of the rows and labels of every split"),)
    return Bound(dataclasses.replace(dataset.spec, params=params), {"sha256": digest, **dataset.params})


def _initial_network(spec: InMemoryModel, task: Task, seed: int, member: int) -> Network:
    """The network with which stage 1 of that member would start."""
    with seeded(derived_seed(member_seed(seed, member), "stage1")):
        return spec.build(task)


def _check_initial_weights(config: RunConfig, task: Task, network: Network) -> None:
    """InputError unless one seed gives one network, and two members of an ensemble start with different ones."""
    spec = config.model.spec
    if _initial_network(spec, task, config.seed, member=0).origin != network.origin:
        message = f"{spec.who} makes another network each time, although torch's seed is the same"
        raise InputError(message, "draw its weights from torch alone, or seed the other generator in the function")
    ensembles = config.of_kind("ensemble")
    if ensembles and _initial_network(spec, task, config.seed, member=1).origin == network.origin:
        message = f"every member of {ensembles[0].name!r} would begin with the same weights"
        raise InputError(message, "give a function that makes new ones, as model=lambda task: Net(task.num_classes)")
