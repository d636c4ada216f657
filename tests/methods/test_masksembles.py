"""`masksembles`: masks have the stated number of ones and overlap, cover every feature, and act on a member's inputs."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from sampler_cases import D, K, inputs, variant_probs
from torch import nn

from calibench import InputError, Network, run
from calibench.seeds import seeded
from calibench_methods.layers import MaskedLayer, masked_layers, masks
from calibench_methods.samplers.masksembles import Masksembles


def wide_network(*layers: nn.Module) -> Network:
    with seeded(0):
        body = nn.Sequential(nn.Linear(D, 32), nn.ReLU(), *layers, nn.Linear(32, 24), nn.ReLU())
        return Network(body, nn.Linear(24, K), 24)


@pytest.mark.parametrize(("members", "scale"), [(2, 2.0), (4, 1.5), (4, 2.0), (8, 3.0)])
def test_masks_have_the_papers_number_of_ones_and_use_every_feature(members: int, scale: float) -> None:
    width = 256
    with seeded(0):
        drawn = torch.stack([masks(width, members, scale) for _ in range(20)]).numpy()
    assert set(np.unique(drawn)) == {0, 1}
    expected_ones = round(width / (scale * (1 - (1 - 1 / scale) ** members)))
    assert (drawn.sum(2) == expected_ones).all()
    assert (drawn.max(1) == 1).all(), "no feature is unused"
    # Of m ones among m S positions, two masks share m / S on average: an overlap of 1 / (2 S - 1) of their union.
    pairs = list(itertools.combinations(range(members), 2))
    shared = np.mean([(d[a] * d[b]).sum() / np.maximum(d[a], d[b]).sum() for d in drawn for a, b in pairs])
    assert shared == pytest.approx(1 / (2 * scale - 1), rel=0.1)


def test_masks_of_scale_1_are_full_and_impossible_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert masks(17, 4, 1.0).tolist() == [[1.0] * 17] * 4
    for width, scale in ((9, 2.0), (12, 1.001)):  # too narrow; all masks would be full
        with pytest.raises(InputError, match=f"4 masks of scale {scale:g} cannot share {width} features"):
            masks(width, 4, scale)
    monkeypatch.setattr("calibench_methods.layers.masked_layer.TRIES", 0)
    with pytest.raises(InputError, match="4 masks of scale 2 cannot share 16 features"):
        masks(16, 4, 2.0)


@pytest.mark.parametrize("kind", ["linear", "tokens", "conv"])
def test_a_member_sees_its_inputs_through_its_mask(kind: str) -> None:
    with seeded(0):
        plain: Any = nn.Conv2d(12, 6, 3, padding=1) if kind == "conv" else nn.Linear(12, 6)
        mask = masks(12, 3, 2.0)
        x = (
            torch.randn(7, 12, 5, 5)
            if kind == "conv"
            else torch.randn(7, 4, 12)
            if kind == "tokens"
            else torch.randn(7, 12)
        )
    layer = MaskedLayer(plain, mask)

    def output(m: int, rows: torch.Tensor) -> torch.Tensor:
        """The plain layer with the columns of masked inputs set to 0."""
        if kind == "conv":
            return nn.functional.conv2d(rows, plain.weight * mask[m][:, None, None], plain.bias, padding=1)
        return nn.functional.linear(rows, plain.weight * mask[m], plain.bias)

    together = layer(x)
    for row in range(len(x)):
        torch.testing.assert_close(together[row : row + 1], output(row % 3, x[row : row + 1]), rtol=1e-4, atol=1e-5)
    layer.member = 2
    torch.testing.assert_close(layer(x), output(2, x), rtol=1e-4, atol=1e-5)
    assert "masks" in layer.state_dict(), "a cached network keeps its masks"


def test_every_layer_but_the_first_is_masked_and_members_differ() -> None:
    module, sampler = wide_network(nn.BatchNorm1d(32)), Masksembles(4, 2.0, "probs")
    with seeded(0):
        sampler.convert(module)
    assert type(module.body[0]) is nn.Linear
    assert [tuple(layer.masks.shape) for layer in masked_layers(module)] == [(4, 32), (4, 24)]
    probs = variant_probs(sampler, module, inputs())
    assert len(probs) == 4
    assert all(not torch.allclose(probs[0], member) for member in probs[1:])


@pytest.mark.slow
def test_scale_1_is_ce() -> None:
    plain, full = (
        run(recipe, "digits", model="mlp:hidden=16;16", epochs=3, results=None)
        for recipe in ("ce", "masksembles:scale=1")
    )
    assert full.metrics["nll"] == pytest.approx(plain.metrics["nll"], rel=1e-5)


def test_networks_without_room_for_masks_are_refused() -> None:
    with pytest.raises(InputError, match="comes trained"):
        Masksembles(4, 2.0, "probs").check(Network(nn.Flatten(), nn.Linear(2, 2), 2, pretrained=True), (2,))
    single = Network(nn.Flatten(), nn.Linear(D, K), D)
    sampler = Masksembles(4, 2.0, "probs")
    sampler.convert(single)
    with pytest.raises(InputError, match="this model has one layer"):
        sampler.check(single, (D,))
    pytest.importorskip("laplace", reason="laplace-torch is not installed (pip install calibench[bayes])")
    with pytest.raises(
        InputError, match="laplace needs a linear last layer with a bias, and this one is a MaskedLayer"
    ):
        run("laplace+masksembles", "digits", model="mlp:hidden=16;16", results=None)
