"""`masksembles`: Masksembles (Durasov et al., CVPR 2021)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from calibench import InputError, MethodSpec, Param, Sampler
from calibench.lazy import nn, torch
from calibench.stages import View
from calibench.stages.sampler import as_it_is
from calibench_methods import layers
from calibench_methods.samplers.parameters import COMBINE

if TYPE_CHECKING:
    from calibench import Network

SPEC = MethodSpec(
    name="masksembles",
    kind="sampler",
    target=f"{__name__}:Masksembles",
    summary="Masksembles: members share all weights, and each sees the features through a fixed mask of its own.",
    params=(
        Param("members", "int", 4, "M, number of masks (the paper: 4)", minimum=2),
        Param(
            "scale",
            "float",
            2.0,
            "S: masks overlap less the larger it is (the paper: 1 to 5); at 1 all masks are full, and all members are one network",
            minimum=1,
            maximum=6,
        ),
        COMBINE,
    ),
    equation=(
        "layer of member m: y = W (mask_m * x) + b, mask_m with C / (S (1 - (1 - 1/S)^M)) ones of C features, drawn once; "
        "p = mean over m of softmax(f_m(x))"
    ),
    paper="N. Durasov et al., Masksembles for Uncertainty Estimation, CVPR 2021 (arXiv 2012.08334)",
    deviations=(
        "every linear layer and convolution but the first gets a mask on its inputs; the paper places masks by hand",
        "row i of a batch trains member i mod M, as in the paper; the number of epochs is that of one network",
        "masks are redrawn until exactly C features are used, where the authors search the scale",
    ),
    use_when="you want an ensemble in the memory of one network, trained from scratch, with members less alike than dropout's",
    avoid_when="the network is narrow: at scale=2 each member uses 53 % of the features",
    cost="the weights and the training time of one network; M passes at prediction",
)


class Masksembles(Sampler):
    """Every linear layer and convolution but the first becomes a `MaskedLayer` before stage 1; each member predicts in turn."""

    def __init__(self, members: int, scale: float, combine: str) -> None:
        self.members, self.scale = members, scale
        self.combine = combine

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """InputError for a pretrained network, and for one of a single layer."""
        if network.pretrained:
            message = "masksembles: its masks act in stage 1, and this model comes trained"
            raise InputError(message, "use a model that stage 1 trains, or mc-dropout for a model that has dropout")
        if not layers.masked_layers(network):
            message = "masksembles: this model has one layer, and masks of the input would hide the data"
            raise InputError(message, "use a model with hidden layers, such as mlp")

    def convert(self, network: Network) -> None:
        """Replace the layers in place; InputError for a layer too narrow for the masks."""
        if network.pretrained:
            return  # `check` refuses it
        found = [n for n, module in network.named_modules() if type(module) in (nn.Linear, nn.Conv2d)]
        for name in found[1:]:
            parent, _, attribute = name.rpartition(".")
            layer = network.get_submodule(name)
            assert isinstance(layer, nn.Linear | nn.Conv2d)
            width = layer.in_channels if isinstance(layer, nn.Conv2d) else layer.in_features
            mask = layers.masks(width, self.members, self.scale)
            setattr(network.get_submodule(parent), attribute, layers.MaskedLayer(layer, mask))

    def variants(
        self, network: Network, collected: Mapping[str, torch.Tensor], train_x: torch.Tensor
    ) -> Iterator[View]:
        """The members, one after another."""
        network.eval()
        for member in range(self.members):
            for layer in layers.masked_layers(network):
                layer.member = member
            yield as_it_is
