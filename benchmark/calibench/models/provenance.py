"""The identity of a network: digests of its structure, of its weights, and of the source of its classes."""

from __future__ import annotations

import hashlib
import re

import torch
from torch import nn

from calibench.cache.code import JUDGING, PRESENTATION, sources_of
from calibench.models.network import Network
from calibench.models.split_head import Body

_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


def user_module(network: Network) -> nn.Module:
    """The module that the user gave, if the network was cut from one, else the network itself."""
    if isinstance(network.body, Body):
        return network.body.network
    return network.head if not network.head_name else network


def sha256_of(*texts: str) -> str:
    """SHA-256 of the texts, one a line."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def weights_of(network: nn.Module) -> str:
    """SHA-256 of names, shapes, types and bytes of all parameters and buffers, also those that no state dict holds."""
    digest = hashlib.sha256()
    for name, parameter in (*network.named_parameters(), *network.named_buffers()):
        tensor = parameter.detach().cpu().contiguous()
        digest.update(f"{name} {list(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return digest.hexdigest()


def structure_of(network: nn.Module) -> str:
    """The layers with their sizes, the class of each, and the frozen parameters, as text."""
    classes = [f"{name} {type(part).__module__}.{type(part).__qualname__}" for name, part in network.named_modules()]
    frozen = [f"{name} is frozen" for name, parameter in network.named_parameters() if not parameter.requires_grad]
    return "\n".join([_ADDRESS.sub("", repr(network)), *classes, *frozen])


def _sources(package: str) -> str | None:
    """Of calibench only the rooms that decide a stage's result."""
    return sources_of(package, PRESENTATION | JUDGING if package == "calibench" else ())


def source_of(network: nn.Module) -> str | None:
    """SHA-256 of the code of a network: the packages of its classes, apart from torch's own layers.

    None if the source is not available (a class typed into a notebook) or does not determine the network (hooks, a
    `forward` set on an instance): the training of such a network is not cached.
    """
    modules = set()
    for part in network.modules():
        module, hooks = type(part).__module__, (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks)
        if "forward" in vars(part) or any(hooks):
            return None
        if module.startswith("torch.") and not module.startswith("torch.nn."):
            return None  # code made at run time, as by torch.fx
        modules |= set() if module.startswith("torch.") else {module}
    # A namespace package has no file: then the module's own file counts.
    digests = {_sources(module.partition(".")[0]) or sources_of(module) for module in modules}
    return None if None in digests else sha256_of(*sorted(map(str, digests)))
