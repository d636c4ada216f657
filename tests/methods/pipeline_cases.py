"""Shared by the tests that train a recipe: its members, built from the words of a user."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from calibench.cache.stage_cache import StageCache
from calibench.config.resolve import resolve
from calibench.data.load import load_data
from calibench.progress import quiet
from calibench.recipe.members import Members


def members(
    recipe: str,
    dataset: str = "digits",
    model: str = "mlp:hidden=8",
    cache: StageCache | None = None,
    epochs: int = 2,
    **options: Any,
) -> Members:
    """The members of a recipe, checked and not yet trained; without a cache unless one is given."""
    config = resolve(recipe, dataset, model, epochs=epochs, **options)
    return Members(config, load_data(config), StageCache(None) if cache is None else cache, quiet)


class RowCount:
    """Counts the rows that a module sees, by a hook that outsiders may register."""

    def __init__(self, module: nn.Module) -> None:
        self.rows = 0
        module.register_forward_hook(self._count)

    def _count(self, module: nn.Module, args: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        self.rows += len(args[0])
