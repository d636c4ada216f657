"""`mc-dropout`: only dropout is random at prediction, and its mean is the expectation over masks."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from sampler_cases import D, inputs, network, variant_probs
from torch import nn

from calibench import InputError, Network
from calibench.seeds import seeded
from calibench.training.prediction import predict
from calibench_methods.samplers.mc_dropout import MCDropout


def test_only_dropout_is_in_training_mode_at_prediction() -> None:
    module = network(nn.BatchNorm1d(8), nn.Dropout(0.5))
    predict(module, inputs())
    before = {name: value.clone() for name, value in module.state_dict().items()}
    sampler = MCDropout(4, None, "probs")
    sampler.check(module, (D,))
    with seeded(0):
        probs = variant_probs(sampler, module, inputs())
    assert len(probs) == 4
    assert not torch.equal(probs[0], probs[1])
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name  # batch-norm statistics too
    assert [layer.p for layer in module.modules() if isinstance(layer, nn.Dropout)] == [0.5]


def test_the_mean_over_masks_is_the_expected_probability() -> None:
    """Each of two inputs is kept, and scaled by 4/3, with probability 3/4, so there are four masks."""
    head = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 2.0], [0.0, 0.0]]))
    module = Network(nn.Sequential(nn.Dropout(0.25)), head, 2)
    with seeded(1):
        probs = torch.stack(variant_probs(MCDropout(4000, None, "probs"), module, torch.ones(1, 2)))[:, 0, 0]
    expected = sum(
        (0.75 if a else 0.25) * (0.75 if b else 0.25) / (1 + math.exp(-(a + 2 * b) * 4 / 3))
        for a, b in itertools.product((0, 1), repeat=2)
    )
    assert abs(float(probs.mean()) - expected) < 4 * float(probs.std()) / math.sqrt(4000)


def test_another_rate_can_be_set() -> None:
    module = network(nn.Dropout(0.5))
    next(iter(MCDropout(2, 0.1, "probs").variants(module, {}, inputs())))
    assert [layer.p for layer in module.modules() if isinstance(layer, nn.Dropout)] == [0.1]


@pytest.mark.parametrize("layers", [(), (nn.Dropout(0.0),)], ids=["none", "rate 0"])
def test_a_network_without_dropout_is_refused(layers: tuple[nn.Module, ...]) -> None:
    with pytest.raises(InputError, match="no dropout") as raised:
        MCDropout(2, None, "probs").check(network(*layers), (D,))
    assert "mlp:dropout=0.2" in raised.value.hint
