"""What is known of a network and of data that the calling program gave, once both are there: it names them in the record."""

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


def known(config: RunConfig, data: Data) -> tuple[RunConfig, bool]:
    """The configuration with what is known of given data and a given network, and whether the run may be cached.

    Other configurations come back as they are. Raises InputError for a network that does not fit the data.
    """
    keep = True
    if isinstance(config.dataset.spec, InMemoryData):
        config = dataclasses.replace(config, dataset=_named(config.dataset, data.clean_fingerprint[:12]))
    if isinstance(config.model.spec, InMemoryModel):
        spec, task = config.model.spec, Task.of(data)
        network = _begun(spec, task, config.seed, 0)
        if not network.pretrained:
            _check_starts(config, task, network)
        config = dataclasses.replace(config, model=spec.known(network))
        keep = source_of(network) is not None
    return config, keep


def _named(dataset: Bound, content: str) -> Bound:
    facts = (Param("sha256", "str", None, "of the rows and labels of every split"),)
    return Bound(dataclasses.replace(dataset.spec, params=facts), {"sha256": content, **dataset.params})


def _begun(spec: InMemoryModel, task: Task, seed: int, member: int) -> Network:
    """The network as stage 1 of that member would begin it."""
    with seeded(derived_seed(member_seed(seed, member), "stage1")):
        return spec.build(task)


def _check_starts(config: RunConfig, task: Task, network: Network) -> None:
    """One seed makes one network; two members, two."""
    spec = config.model.spec
    if _begun(spec, task, config.seed, 0).origin != network.origin:
        message = f"{spec.who} makes another network each time, although torch's seed is the same"
        raise InputError(message, "draw its weights from torch alone, or seed the other generator in the function")
    ensembles = config.of_kind("ensemble")
    if ensembles and _begun(spec, task, config.seed, 1).origin == network.origin:
        message = f"every member of {ensembles[0].name!r} would begin with the same weights"
        raise InputError(message, "give a function that makes new ones, as model=lambda task: Net(task.num_classes)")
