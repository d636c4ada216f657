"""`mc-dropout`: Monte-Carlo dropout (Gal and Ghahramani, ICML 2016)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from calibench import InputError, MethodSpec, Param, Sampler
from calibench.lazy import nn, torch
from calibench.stages import View
from calibench.stages.sampler import as_it_is
from calibench_methods.samplers.parameters import COMBINE

if TYPE_CHECKING:
    from calibench import Network

SPEC = MethodSpec(
    name="mc-dropout",
    kind="sampler",
    target=f"{__name__}:MCDropout",
    summary="Monte-Carlo dropout: dropout stays on at prediction, and the predictions of several masks are averaged.",
    params=(
        Param("samples", "int", 30, "number of masks whose predictions are averaged", minimum=1),
        Param(
            "rate",
            "float",
            None,
            "share dropped at prediction; not set: the share in training",
            "fraction",
            minimum=0.001,
            maximum=0.95,
        ),
        COMBINE,
    ),
    equation="p = mean over s of softmax(f(x; mask_s)), mask_s as in training",
    use_when="the network was trained with dropout and no other training is possible",
    avoid_when="the network has no dropout, which is refused, or a small rate: masks then hardly differ",
    cost="training as ce; 30 forward passes at prediction",
    paper="Y. Gal, Z. Ghahramani, Dropout as a Bayesian Approximation, ICML 2016 (arXiv 1506.02142)",
    deviations=("the paper does not specify the number of samples; here it is 30",),
)


class MCDropout(Sampler):
    """At prediction, dropout layers stay in training mode and everything else is in eval mode; there are `samples` masks."""

    def __init__(self, samples: int, rate: float | None, combine: str) -> None:
        self.samples = samples
        self.rate = rate
        self.combine = combine

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """InputError for a network without dropout."""
        if not any(layer.p > 0 for layer in dropout_layers(network)):
            raise InputError("mc-dropout: the model has no dropout", "add some, as in --model mlp:dropout=0.2")

    def variants(
        self, network: Network, collected: Mapping[str, torch.Tensor], train_x: torch.Tensor
    ) -> Iterator[View]:
        """The network `samples` times; each pass draws new masks."""
        network.eval()
        for layer in dropout_layers(network):
            layer.train()
            layer.p = layer.p if self.rate is None else self.rate
        for _ in range(self.samples):
            yield as_it_is


def dropout_layers(network: nn.Module) -> list[Any]:
    """Every dropout layer of the network, element-wise or channel-wise."""
    return [module for module in network.modules() if isinstance(module, nn.modules.dropout._DropoutNd)]
