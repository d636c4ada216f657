"""`packed`: Packed-Ensembles (Laurent et al., ICLR 2023)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
    name="packed",
    kind="sampler",
    target=f"{__name__}:Packed",
    summary="Packed ensemble: narrow networks side by side in about the size of one network, trained together.",
    params=(
        Param("members", "int", 4, "M, number of members (the paper: 4)", minimum=2),
        Param(
            "alpha",
            "float",
            2.0,
            "a member's layers have alpha / M of the network's width (the paper: 2)",
            minimum=1e-3,
        ),
        COMBINE,
    ),
    equation=(
        "layer of member m: from ceil(alpha C_in / M) to ceil(alpha C_out / M) channels, the first layer from all inputs, the "
        "last to K logits; loss = mean over m of the objective's; p = mean over m of softmax(f_m(x))"
    ),
    paper="O. Laurent et al., Packed-Ensembles for Efficient Uncertainty Estimation, ICLR 2023 (arXiv 2210.09184)",
    deviations=(
        "a member's layers are stored apart instead of as groups of one grouped layer: the sums are the same, and a GPU is slower",
        "gamma is 1: a member's own layers are not split into further groups",
        "layers with weights are linear layers, convolutions in one group and batch norms; other networks are refused",
        "the checkpoint is the epoch of the lowest validation NLL of single members: row i is predicted by member i mod M",
        "weights start uniform with the spread that the model gives its own layers, scaled to the smaller number of inputs",
    ),
    use_when="you want a deep ensemble's diversity for the price of about one network, and train from scratch",
    avoid_when="the network is small: at alpha=2 each member has half its width, and may fit the data worse",
    cost="alpha^2 / M of the weights and multiplications of one network; a pass a member, each narrow",
)


class Packed(Sampler):
    """Every layer with weights becomes a `PackedLayer` before stage 1; each member trains on every row, and predicts in turn."""

    separate_bodies = True

    def __init__(self, members: int, alpha: float, combine: str) -> None:
        self.members, self.alpha = members, alpha
        self.combine = combine
        self.layers: list[layers.PackedLayer] = []
        """The packed layers of every network that was converted: an objective may train two networks."""

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """InputError for a pretrained network, and for one whose narrow layers do not fit together."""
        if network.pretrained:
            message = "packed: its members are trained in stage 1, and this model comes trained"
            raise InputError(message, "use a model that stage 1 trains, such as mlp")
        network.eval()
        rows = torch.zeros(2, *input_shape, device=next(network.parameters()).device)
        try:
            with torch.inference_mode():
                network.feature_size = network.body(rows).shape[1]
                network(rows)
        except RuntimeError as error:
            share = f"{self.alpha:g}/{self.members}"
            message = f"packed: this model's layers do not fit together at {share} of their width ({error})"
            raise InputError(
                message, "choose alpha so that alpha/members divides the widths, as alpha=2,members=4"
            ) from None

    def convert(self, network: Network) -> None:
        """Replace the layers in place; InputError for layers that cannot be made narrower."""
        if network.pretrained:
            return  # `check` refuses it
        names = [name for name, module in network.named_modules() if list(module.parameters(recurse=False))]
        for name in names:
            module = network.get_submodule(name)
            if type(module) not in layers.PACKED or getattr(module, "groups", 1) != 1:
                message = (
                    f"packed: layer {name or 'network'} is a {type(module).__name__}, which cannot be made narrower"
                )
                raise InputError(message, "use mlp, cnn, resnet or wrn, or batch-ensemble in its place")
        matrices = [n for n in names if isinstance(network.get_submodule(n), nn.Linear | nn.Conv2d)]
        if not matrices:
            raise InputError("packed: this model has no linear layer and no convolution", "use mlp, cnn, resnet or wrn")
        first, last = matrices[0], matrices[-1]
        for name in names:
            parent, _, attribute = name.rpartition(".")
            wide, share = network.get_submodule(name), self.alpha / self.members
            members = [layers.narrow(wide, share, name == first, name == last) for _ in range(self.members)]
            packed = layers.PackedLayer(members)
            setattr(network.get_submodule(parent), attribute, packed)
            self.layers.append(packed)

    def training_loss(self, loss: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The mean of the members' losses on the same batch."""
        total = torch.zeros(())
        for member in range(self.members):
            self._choose(member)
            total = total + loss() / self.members
        self._choose(None)
        return total

    def variants(
        self, network: Network, collected: Mapping[str, torch.Tensor], train_x: torch.Tensor
    ) -> Iterator[View]:
        """The members, one after another."""
        network.eval()
        for member in range(self.members):
            self._choose(member)
            yield as_it_is
        self._choose(None)

    def _choose(self, member: int | None) -> None:
        for layer in self.layers:
            layer.member = member
