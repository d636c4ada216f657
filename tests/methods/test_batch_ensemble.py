"""`batch-ensemble`: each member's layer is the shared layer times its rank-one factors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sampler_cases import inputs, network, variant_probs
from torch import nn

from calibench import InputError, Network
from calibench.seeds import seeded
from calibench_methods.layers import MemberLayer, member_layers
from calibench_methods.samplers.batch_ensemble import BatchEnsemble


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_the_layer_of_a_member_has_its_own_weight_matrix(kind: str) -> None:
    members = 3
    with seeded(0):
        plain: Any = nn.Linear(4, 6) if kind == "linear" else nn.Conv2d(4, 6, 3, padding=1)
        weight, bias = plain.weight.detach().clone(), plain.bias.detach().clone()
        layer = MemberLayer(plain, members)
        for factor in (layer.r, layer.s):
            assert set(factor.detach().unique().tolist()) <= {-1.0, 1.0}
            nn.init.normal_(factor)
        assert layer.bias is not None
        torch.testing.assert_close(layer.bias.detach(), bias.expand(members, -1))
        x = torch.randn(7, 4) if kind == "linear" else torch.randn(7, 4, 5, 5)
    outer = torch.einsum("mo,mi->moi", layer.s, layer.r).reshape(members, 6, 4, *[1] * (weight.ndim - 2))

    def output(m: int, rows: torch.Tensor) -> torch.Tensor:
        if kind == "linear":
            return nn.functional.linear(rows, weight * outer[m], bias)
        return nn.functional.conv2d(rows, weight * outer[m], bias, padding=1)

    all_members = layer(x)
    for row in range(len(x)):
        expected = output(row % members, x[row : row + 1])
        torch.testing.assert_close(all_members[row : row + 1], expected, rtol=1e-4, atol=1e-5)
    layer.member = 2
    torch.testing.assert_close(layer(x), output(2, x), rtol=1e-4, atol=1e-5)


def test_every_layer_is_converted_once_and_members_differ() -> None:
    module, sampler = network(), BatchEnsemble(4, "probs")
    with seeded(0):
        sampler.convert(module)
    assert len(member_layers(module)) == 2
    assert isinstance(module.head, MemberLayer)
    probs = variant_probs(sampler, module, inputs())
    assert len(probs) == 4
    assert all(not torch.allclose(probs[0], member) for member in probs[1:])


def test_a_pretrained_network_is_refused() -> None:
    with pytest.raises(InputError, match="comes trained"):
        BatchEnsemble(4, "probs").check(Network(nn.Flatten(), nn.Linear(2, 2), 2, pretrained=True), (2,))
