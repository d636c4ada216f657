"""`packed`: members are narrow networks, each the group of a grouped layer, that train on every row and share nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sampler_cases import D, K, inputs, network, variant_probs
from torch import nn

from calibench import InputError, Network, run
from calibench.models.network import Task
from calibench.plugins.discovery import registry
from calibench.seeds import seeded
from calibench_methods.layers import PackedLayer, narrow, packed_layers
from calibench_methods.samplers.packed import Packed


def packed(module: Network, members: int = 4, alpha: float = 2.0) -> Packed:
    sampler = Packed(members, alpha, "probs")
    with seeded(0):
        sampler.convert(module)
    sampler.check(module, (D,))
    return sampler


@pytest.mark.parametrize("kind", ["linear", "conv", "norm"])
def test_the_layers_of_the_members_are_one_grouped_layer(kind: str) -> None:
    members, wide = (
        3,
        {"linear": nn.Linear(12, 6), "conv": nn.Conv2d(12, 6, 3, 2, padding=1), "norm": nn.BatchNorm2d(12)},
    )
    share = 1 / 3
    with seeded(0):
        narrows: list[Any] = [narrow(wide[kind], share) for _ in range(members)]
        x = torch.randn(5, members, 4) if kind == "linear" else torch.randn(5, members, 4, 6, 6)
    layer = PackedLayer(narrows)
    rows = x.flatten(0, 1)  # row i is of member i mod M
    together = x.flatten(1, 2)  # the members' channels side by side, as a grouped layer has them
    if kind == "linear":
        weight, bias = torch.cat([n.weight for n in narrows]), torch.cat([n.bias for n in narrows])
        grouped = nn.functional.conv1d(together[..., None], weight[..., None], bias, groups=members)[..., 0]
    elif kind == "conv":
        weight, bias = torch.cat([n.weight for n in narrows]), torch.cat([n.bias for n in narrows])
        grouped = nn.functional.conv2d(together, weight, bias, stride=2, padding=1, groups=members)
    else:
        grouped = nn.functional.batch_norm(together, None, None, training=True)
    expected = grouped.reshape(5 * members, -1, *grouped.shape[2:])
    torch.testing.assert_close(layer(rows), expected, rtol=1e-4, atol=1e-5)
    layer.member = 1
    layer.eval()
    torch.testing.assert_close(layer(rows), narrows[1](rows))
    layer.member = None
    assert layer(rows[:2]).shape[0] == 2, "fewer rows than members"


def test_widths_follow_alpha_and_the_ends_keep_theirs() -> None:
    module = network(nn.BatchNorm1d(8))
    packed(module, members=4, alpha=2.0)
    first, norm, head = packed_layers(module)
    shapes = [tuple(layer.layers[0].weight.shape) for layer in (first, norm, head)]
    assert shapes == [(4, D), (4,), (K, 4)]
    assert module.feature_size == 4
    whole = network()
    packed(whole, members=4, alpha=4.0)
    assert [tuple(layer.layers[0].weight.shape) for layer in packed_layers(whole)] == [(8, D), (K, 8)]
    assert not torch.equal(*(packed_layers(whole)[0].layers[m].weight for m in (0, 1)))


def test_narrow_weights_start_with_the_spread_of_torchs_own_layer() -> None:
    with seeded(0):
        wide = nn.Linear(400, 300)
        small: Any = narrow(wide, 0.25)
        own = nn.Linear(100, 75)
    assert small.weight.shape == own.weight.shape
    assert float(small.weight.detach().std()) == pytest.approx(float(own.weight.detach().std()), rel=0.05)
    assert float(small.bias.detach().abs().max()) == pytest.approx(0.1, rel=0.1)


def test_the_loss_is_the_mean_of_the_members_and_each_gradient_stays_in_its_member() -> None:
    module, x, y = network(), inputs(), torch.arange(60) % K
    sampler = packed(module, members=3, alpha=1.5)
    seen = []

    def loss() -> torch.Tensor:
        value = nn.functional.cross_entropy(module(x), y)
        seen.append(float(value.detach()))
        return value

    total = sampler.training_loss(loss)
    assert float(total.detach()) == pytest.approx(np.mean(seen), rel=1e-6)
    assert len(set(seen)) == len(seen) == 3
    assert all(layer.member is None for layer in packed_layers(module))
    total.backward()
    for m in range(3):
        sampler._choose(m)
        weights = [layer.layers[m].weight for layer in packed_layers(module)]
        alone = torch.autograd.grad(nn.functional.cross_entropy(module(x), y), weights)
        for weight, gradient in zip(weights, alone, strict=True):
            torch.testing.assert_close(weight.grad, gradient / 3)


def test_members_predict_in_turn_and_rows_of_no_member_go_round() -> None:
    module, x = network(), inputs(8)
    probs = variant_probs(packed(module), module, x)
    assert len(probs) == 4
    assert all(not torch.allclose(probs[0], member) for member in probs[1:])
    with torch.inference_mode():
        in_turn = module(x).double().softmax(1)
    for row in range(8):
        torch.testing.assert_close(in_turn[row], probs[row % 4][row])


@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("resnet", {"depth": 20, "norm": "batch"}),
        ("resnet", {"depth": 18, "norm": "batch"}),
        ("wrn", {"depth": 10, "width": 1}),
        ("cnn", {"width": 8}),
    ],
)
def test_convolutional_networks_become_narrower(model: str, params: dict[str, Any]) -> None:
    spec: Any = registry("model").get("model", model).spec
    settings = {param.key: param.default for param in spec.params} | params
    task = Task((3, 8, 8), 5, np.random.default_rng(0).random((4, 3, 8, 8)).astype(np.float32))
    with seeded(0):
        module, plain = spec.load()(task, **settings), spec.load()(task, **settings)
        sampler = Packed(4, 2.0, "probs")
        sampler.convert(module)
    sampler.check(module, (3, 8, 8))
    assert module.feature_size == plain.feature_size // 2
    count = sum(p.numel() for p in module.parameters()) / sum(p.numel() for p in plain.parameters())
    assert 0.9 < count < 1.3  # alpha^2 / M = 1, and the ends
    x = torch.from_numpy(task.train_x)
    assert torch.isfinite(module(x)).all()
    if model == "resnet":
        assert torch.isfinite(plain(x)).all()


def test_networks_that_cannot_be_packed_are_refused() -> None:
    with pytest.raises(InputError, match="comes trained"):
        Packed(4, 2.0, "probs").check(Network(nn.Flatten(), nn.Linear(2, 2), 2, pretrained=True), (2,))
    with pytest.raises(InputError, match=r"layer body\.2 is a LayerNorm"):
        Packed(4, 2.0, "probs").convert(network(nn.LayerNorm(8)))
    flattened = Network(nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten()), nn.Linear(12, 2), 12)
    sampler = Packed(4, 2.0, "probs")
    sampler.convert(flattened)  # 2 of 3 channels make 8 features, and half of 12 is 6
    with pytest.raises(InputError, match=r"do not fit together at 2/4 of their width"):
        sampler.check(flattened, (1, 4, 4))
    with pytest.raises(
        InputError, match="'packed' has a body for each member, and method 'tst' fits the features of one body"
    ):
        run("tst+packed", "digits", model="mlp:hidden=16", results=None)
