"""Layers and bodies of networks: torch modules, kept apart from the files in `networks/`, which import no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench.lazy import exports

if TYPE_CHECKING:
    from calibench.models.layers.resnet import ResNet as ResNet
    from calibench.models.layers.timm import Prepared as Prepared
    from calibench.models.layers.vit import VisionTransformer as VisionTransformer
    from calibench.models.layers.wrn import WideResNet as WideResNet

__getattr__ = exports(
    __name__,
    {
        "calibench.models.layers.resnet": ("ResNet",),
        "calibench.models.layers.timm": ("Prepared",),
        "calibench.models.layers.vit": ("VisionTransformer",),
        "calibench.models.layers.wrn": ("WideResNet",),
    },
)
