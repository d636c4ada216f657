"""`frozen`: a network whose body has already run; the data are its features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import models
from calibench.errors import InputError
from calibench.lazy import nn, torch
from calibench.plugins.specs import ModelSpec

if TYPE_CHECKING:
    from calibench.models.network import Network, Task

SPEC = ModelSpec(
    name="frozen",
    target=f"{__name__}:frozen",
    summary="x is already the body's output and the head comes from the data; stage 1 trains nothing.",
    comes_trained=True,
)


def frozen(task: Task) -> Network:
    """`logits = x W^T + b` with the data's `head_weight [K, D]` and `head_bias [K]`; InputError if they have none."""
    if task.head_weight is None or task.head_bias is None:
        hint = "add head_weight [K, D] and head_bias [K] to the data, or use a model that stage 1 trains, such as mlp"
        raise InputError("model 'frozen' needs the trained head, and the data has none", hint)
    head = nn.Linear(task.input_size, task.num_classes)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(task.head_weight))
        head.bias.copy_(torch.from_numpy(task.head_bias))
    return models.Network(nn.Flatten(), head, task.input_size, pretrained=True)
