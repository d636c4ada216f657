"""Vision transformers."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from calibench.models.images import AsImage

EPS = 1e-6
"""Epsilon of every layer norm, as in the paper's own training."""


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
    """`x + attn(norm1(x))`, then `x + mlp(norm2(x))`: equations 2 and 3 of the paper, each norm first."""

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
        """Tokens `[N, patches, dim]`."""
        out: torch.Tensor = self.proj(x).flatten(2).transpose(1, 2)
        return out


class VisionTransformer(nn.Module):
    """Scaling - patches - class token - learned positions - dropout - blocks - layer norm; the class token is the feature."""

    def __init__(
        self,
        scale: nn.Module,
        image: tuple[int, int, int],
        patch: int,
        dim: int,
        depth: int,
        heads: int,
        hidden: int,
        dropout: float,
    ) -> None:
        super().__init__()
        channels, height, width = image
        patches = (height // patch) * (width // patch)
        self.image, self.scaling = AsImage(), scale
        self.patch_embed = PatchEmbed(channels, patch, dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.empty(1, patches + 1, dim))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*[Block(dim, heads, hidden, dropout) for _ in range(depth)])
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
