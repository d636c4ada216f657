"""`frozen`: the body has run already; its features are the data."""

from __future__ import annotations

import torch
from torch import nn

from calibench.errors import InputError
from calibench.models.network import Network, Task


def frozen(task: Task) -> Network:
    """`logits = x W^T + b` with the data's `head_weight [K, D]` and `head_bias [K]`; InputError when it brings none."""
    if task.head_weight is None or task.head_bias is None:
        hint = "add head_weight [K, D] and head_bias [K] to the npz, or use a model that is trained, such as mlp"
        raise InputError("model 'frozen' needs the trained head, and the data has none", hint)
    head = nn.Linear(task.input_size, task.num_classes)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(task.head_weight))
        head.bias.copy_(torch.from_numpy(task.head_bias))
    return Network(nn.Flatten(), head, task.input_size, pretrained=True)
