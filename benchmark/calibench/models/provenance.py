"""What a network is, as digests: its structure, its weights, and the source of its classes."""

from __future__ import annotations

import hashlib
import re

import torch
from torch import nn

from calibench.cache.code import sources_of
from calibench.models.network import Network
from calibench.models.split_head import Body

_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


def whole(network: Network) -> nn.Module:
    """The user's own module, where the network is a cut one."""
    if isinstance(network.body, Body):
        return network.body.network
    return network.head if not network.head_name else network


def sha256_of(*texts: str) -> str:
    """Of the texts, a line each."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def weights_of(network: nn.Module) -> str:
    """Over names, shapes, types and bytes of parameters and buffers, those too that no state dict has."""
    digest = hashlib.sha256()
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        held = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {list(held.shape)} {held.dtype}\n".encode())
        digest.update(held.flatten().view(torch.uint8).numpy().tobytes() if held.numel() else b"")
    return digest.hexdigest()


def structure_of(network: nn.Module) -> str:
    """Layers with their sizes, the class of each, and what is frozen."""
    classes = [f"{name} {type(part).__module__}.{type(part).__qualname__}" for name, part in network.named_modules()]
    frozen = [f"{name} is frozen" for name, parameter in network.named_parameters() if not parameter.requires_grad]
    return "\n".join([_ADDRESS.sub("", repr(network)), *classes, *frozen])


def source_of(network: nn.Module) -> str | None:
    """A digest of the code that a network is made of: the packages of its classes, torch's own layers aside.

    None where it cannot be had (a class typed into a notebook), or does not say it all (hooks, a forward put in by hand):
    such a network's training is not cached.
    """
    homes = set()
    for part in network.modules():
        home, hooks = type(part).__module__, (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks)
        if "forward" in vars(part) or any(hooks):
            return None
        if home.startswith("torch.") and not home.startswith("torch.nn."):
            return None  # code made at run time, as by torch.fx
        homes |= set() if home.startswith("torch.") else {home}
    # A namespace package has no file of its own: then the module alone.
    digests = {sources_of(home.partition(".")[0]) or sources_of(home) for home in homes}
    return None if None in digests else sha256_of(*sorted(map(str, digests)))
