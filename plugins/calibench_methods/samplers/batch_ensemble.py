"""`batch-ensemble`: BatchEnsemble (Wen, Tran, Ba, ICLR 2020)."""

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
    name="batch-ensemble",
    kind="sampler",
    target=f"{__name__}:BatchEnsemble",
    summary="BatchEnsemble: members share weight matrices, differ by rank-one factors and are trained together.",
    params=(
        Param("members", "int", 4, "number of members (the paper: 4)", minimum=2),
        COMBINE,
    ),
    equation="layer of member m: y = s_m * (W (r_m * x)) + b_m; p = mean over m of softmax(f_m(x))",
    use_when="an ensemble is wanted and memory holds one network: members add factors of rank one",
    avoid_when="the model comes trained, which is refused, or training must be split by torchrun",
    cost="training 1.3 to 1.7 x ce; 4 forward passes at prediction",
    paper="Y. Wen, D. Tran, J. Ba, BatchEnsemble, ICLR 2020 (arXiv 2002.06715)",
    deviations=(
        "row i of a batch trains member i mod M, like the paper's sub-batches; the number of epochs is that of one network",
        "factors start as random signs; weight decay, if any, applies to them too",
    ),
)


class BatchEnsemble(Sampler):
    """Every linear layer and convolution becomes a `MemberLayer` before stage 1; each member predicts in turn."""

    def __init__(self, members: int, combine: str) -> None:
        self.members = members
        self.combine = combine

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """InputError for a pretrained network."""
        if network.pretrained:
            message = "batch-ensemble: its factors are learned in stage 1, and this model comes trained"
            raise InputError(message, "use a model that stage 1 trains, such as mlp")

    def convert(self, network: Network) -> None:
        """Replace the layers in place."""
        for parent in list(network.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, nn.Linear | nn.Conv2d) and not isinstance(parent, layers.MemberLayer):
                    setattr(parent, name, layers.MemberLayer(child, self.members))

    def variants(
        self, network: Network, collected: Mapping[str, torch.Tensor], train_x: torch.Tensor
    ) -> Iterator[View]:
        """The members, one after another."""
        network.eval()
        for member in range(self.members):
            for layer in layers.member_layers(network):
                layer.member = member
            yield as_it_is
