"""`vit`: a vision transformer for small images (Dosovitskiy et al., ICLR 2021, arXiv 2010.11929).

Names of the weights, all under `body.`: `patch_embed.proj`, `cls_token`, `pos_embed`, `blocks.0.norm1`, `.attn.qkv`,
`.attn.proj`, `.norm2`, `.mlp.fc1`, `.mlp.fc2`, and `norm`. The last layer is `head`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import models
from calibench.errors import InputError
from calibench.lazy import nn
from calibench.models import layers
from calibench.models.networks.parameters import DROPOUT, SCALING
from calibench.plugins.params import Param
from calibench.plugins.specs import ModelSpec

if TYPE_CHECKING:
    from calibench.models.network import Network, Task

SPEC = ModelSpec(
    name="vit",
    target=f"{__name__}:vit",
    summary="Vision transformer for small images: pre-norm, learned positions, a class token as the feature.",
    params=(
        Param("patch", "int", 4, "side of a patch; it must divide the image's sides", "pixels", minimum=1),
        Param("dim", "int", 192, "size of a token", "units", minimum=1),
        Param("depth", "int", 12, "blocks", minimum=1),
        Param("heads", "int", 3, "attention heads a block; their number must divide dim", minimum=1),
        Param("mlp", "int", 768, "hidden size of each block's perceptron", "units", minimum=1),
        DROPOUT,
        *SCALING,
    ),
    paper="A. Dosovitskiy et al., ICLR 2021 (arXiv 2010.11929)",
    deviations=("sizes are those of DeiT-Ti (arXiv 2012.12877) on 4 x 4 patches; the paper's start at 768",),
)


def vit(  # noqa: PLR0913 - a keyword for each parameter of the SPEC
    task: Task,
    patch: int,
    dim: int,
    depth: int,
    heads: int,
    mlp: int,
    dropout: float,
    standardize: bool,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
) -> Network:
    """A pre-norm transformer over patches with a class token; `mlp` is the hidden size of its two-layer perceptrons.

    InputError if the patch does not divide the image or `heads` does not divide `dim`, if the data are not images, and if
    `mean` and `std` do not fit them.
    """
    image = models.image_shape("vit", task, 2)
    _, height, width = image
    if height % patch or width % patch:
        message = f"model 'vit': patch={patch} does not divide images of {height} x {width}"
        fits = [str(p) for p in range(1, min(height, width) + 1) if height % p == 0 and width % p == 0]
        raise InputError(message, f"use one of {', '.join(fits)}")
    if dim % heads:
        fits = [str(h) for h in range(1, min(dim, 64) + 1) if dim % h == 0]
        raise InputError(f"model 'vit': heads={heads} does not divide dim={dim}", f"use one of {', '.join(fits)}")
    scale = models.scaling("vit", task, standardize, mean, std)
    body = layers.VisionTransformer(scale, image, patch, dim, depth, heads, mlp, dropout)
    return models.Network(body, nn.Linear(dim, task.num_classes), dim)
