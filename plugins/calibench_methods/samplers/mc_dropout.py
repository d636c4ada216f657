"""`mc-dropout`: Monte-Carlo dropout (Gal and Ghahramani, ICML 2016)."""

from collections.abc import Iterator, Mapping

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from calibench import InputError, Network, Sampler
from calibench.stages import View
from calibench.stages.sampler import as_it_is


def dropout_layers(network: nn.Module) -> list[_DropoutNd]:
    """Every dropout layer of the network, 1-d or channel-wise."""
    return [module for module in network.modules() if isinstance(module, _DropoutNd)]


class MCDropout(Sampler):
    """Dropout layers stay in training mode at prediction, everything else is in eval mode; `samples` masks."""

    def __init__(self, samples: int, rate: float | None, combine: str) -> None:
        self.samples = samples
        self.rate = rate
        self.combine = combine

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """InputError for a network that drops nothing."""
        if not any(layer.p > 0 for layer in dropout_layers(network)):
            raise InputError("mc-dropout: the model has no dropout", "give it some, as in --model mlp:dropout=0.2")

    def variants(
        self, network: Network, collected: Mapping[str, torch.Tensor], train_x: torch.Tensor
    ) -> Iterator[View]:
        """The network `samples` times, each pass with masks of its own."""
        network.eval()
        for layer in dropout_layers(network):
            layer.train()
            layer.p = layer.p if self.rate is None else self.rate
        for _ in range(self.samples):
            yield as_it_is
