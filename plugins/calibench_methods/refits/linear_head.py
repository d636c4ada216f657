"""The check of refits that keep the trained last layer: it must be linear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import InputError
from calibench.lazy import nn

if TYPE_CHECKING:
    from calibench import Network


def check_linear_head(name: str, network: Network) -> None:
    """InputError unless the last layer is linear with a bias."""
    if not isinstance(network.head, nn.Linear) or network.head.bias is None:
        kind = type(network.head).__name__
        message = f"{name} needs a linear last layer with a bias, and this one is a {kind}"
        raise InputError(message, f"leave {name} out, or use a model or sampler that keeps the layer linear")
