"""The networks of one member: the one that it trains, and freshly initialised copies for objectives that need more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from calibench.cache.keys import identity
from calibench.config.grammar import who
from calibench.data.prepare import Data
from calibench.errors import InputError, PluginError, blaming
from calibench.models.checkpoint import load_checkpoint
from calibench.models.network import Network, Task
from calibench.recipe.trained_stages import TrainedStages
from calibench.seeds import seeded
from calibench.stages import Sampler


class Networks:
    """Builds networks from the model's spec, its checkpoint, and a sampler that converts layers; `first` is the member's."""

    def __init__(self, stages: TrainedStages, data: Data, sampler: Sampler | None, seed: int) -> None:
        self.stages, self.sampler = stages, sampler
        self.task = Task.of(data)
        model = stages.model
        with seeded(seed):
            network = self._build()
            self.checkpoint = load_checkpoint(network, model.name, model.params)
            """SHA-256 of the checkpoint's file, or empty."""
            self.origin = [digest for digest in (self.checkpoint, network.origin) if digest]
            """Texts that identify the network beyond the model's parameters: the checkpoint's digest, `Network.origin`."""
            self.first = self._converted(network)

    @property
    def converts(self) -> bool:
        """True if the sampler changes the network's layers. Stage 1 then trains another network than without it."""
        return self.sampler is not None and type(self.sampler).convert is not Sampler.convert

    def key_parts(self) -> list[Any]:
        """Parts of cache keys beyond the model's parameters: the sampler's conversion, and `origin`."""
        conversion = [identity(self.stages.sampler)] if self.converts and self.stages.sampler is not None else []
        return [*conversion, *self.origin]

    def another(self) -> Network:
        """One more freshly initialised network, from torch's global generator."""
        return self._converted(self._build())

    def loss(self, loss: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The loss of one step of stage 1 by `first`; a sampler may take the loss of each of its members."""
        return loss() if self.sampler is None else self.sampler.training_loss(loss)

    def check_processes(self, count: int) -> None:
        """InputError where several processes would share a network whose layers look at a row's place in its batch."""
        if self.converts and count > 1 and self.stages.sampler is not None:
            message = f"{who(self.stages.sampler)} changes the network's layers, which may look at a row's place"
            raise InputError(f"{message} in its batch: processes cannot share it", "run it without torchrun")

    def _build(self) -> Network:
        model = self.stages.model
        with blaming(who(model)):
            network = model.spec.load()(self.task, **model.own())
        if not isinstance(network, Network):
            message = f"{who(model)} built a {type(network).__name__}, not a calibench.Network"
            raise PluginError(message, "correct the plugin")
        return network

    def _converted(self, network: Network) -> Network:
        if self.sampler is not None and self.stages.sampler is not None:
            with blaming(who(self.stages.sampler)):
                self.sampler.convert(network)
        return network.to(self.stages.device)
