"""`vit`: a vision transformer for small images (Dosovitskiy et al., ICLR 2021, arXiv 2010.11929).

Names of the weights: `patch_embed.proj`, `cls_token`, `pos_embed`, `blocks.0.norm1`, `.attn.qkv`, `.attn.proj`, `.norm2`,
`.mlp.fc1`, `.mlp.fc2`, and `norm`; all under `body.`, the last layer is `head`.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from calibench.errors import InputError
from calibench.models.images import AsImage, image_shape, scaling
from calibench.models.network import Network, Task

EPS = 1e-6
"""Of every layer norm, as in the paper's own training."""


class Attention(nn.Module):
    """Multi-head self-attention: softmax(q k^T / sqrt(dim / heads)) v for each head, then a linear layer."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[N, tokens, dim]` to the same."""
        n, tokens, dim = x.shape
        q, k, v = self.qkv(x).view(n, tokens, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        out: torch.Tensor = self.dropout(self.proj(mixed.transpose(1, 2).reshape(n, tokens, dim)))
        return out


class Mlp(nn.Module):
    """Linear - GELU - dropout - linear - dropout."""

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[N, tokens, dim]` to the same."""
        out: torch.Tensor = self.dropout(self.fc2(self.dropout(functional.gelu(self.fc1(x)))))
        return out


class Block(nn.Module):
    """`x + attn(norm1(x))`, then `x + mlp(norm2(x))`: equations 2 and 3 of the paper, the norm before."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, EPS)
        self.attn = Attention(dim, heads, dropout)
        self.norm2 = nn.LayerNorm(dim, EPS)
        self.mlp = Mlp(dim, hidden, dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[N, tokens, dim]` to the same."""
        x = x + self.attn(self.norm1(x))
        out: torch.Tensor = x + self.mlp(self.norm2(x))
        return out


class PatchEmbed(nn.Module):
    """A linear map of every `patch` x `patch` square, row by row: `[N, C, H, W]` to `[N, patches, dim]`."""

    def __init__(self, channels: int, patch: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, patch, stride=patch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens."""
        out: torch.Tensor = self.proj(x).flatten(2).transpose(1, 2)
        return out


class VisionTransformer(nn.Module):
    """Scaling - patches - class token - learned positions - dropout - blocks - layer norm; the class token is the feature."""

    def __init__(
        self,
        scale: nn.Module,
        channels: int,
        patches: int,
        patch: int,
        dim: int,
        depth: int,
        heads: int,
        hidden: int,
        p: float,
    ) -> None:
        super().__init__()
        self.image, self.scaling = AsImage(), scale
        self.patch_embed = PatchEmbed(channels, patch, dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.empty(1, patches + 1, dim))
        self.dropout = nn.Dropout(p)
        self.blocks = nn.Sequential(*[Block(dim, heads, hidden, p) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim, EPS)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features `[N, dim]`."""
        tokens = self.patch_embed(self.scaling(self.image(x)))
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        tokens = self.blocks(self.dropout(tokens + self.pos_embed))
        feature: torch.Tensor = self.norm(tokens)[:, 0]
        return feature


def vit(
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

    InputError for a patch that does not divide the image, heads that do not divide `dim`, data that are not images, and
    `mean`, `std` that do not fit them.
    """
    channels, height, width = image_shape("vit", task, 2)
    if height % patch or width % patch:
        message = f"model 'vit': patch={patch} does not divide images of {height} x {width}"
        fits = [str(p) for p in range(1, min(height, width) + 1) if height % p == 0 and width % p == 0]
        raise InputError(message, f"use one of {', '.join(fits)}")
    if dim % heads:
        fits = [str(h) for h in range(1, min(dim, 64) + 1) if dim % h == 0]
        raise InputError(f"model 'vit': heads={heads} does not divide dim={dim}", f"use one of {', '.join(fits)}")
    patches = (height // patch) * (width // patch)
    scale = scaling("vit", task, standardize, mean, std)
    body = VisionTransformer(scale, channels, patches, patch, dim, depth, heads, mlp, dropout)
    return Network(body, nn.Linear(dim, task.num_classes), dim)
