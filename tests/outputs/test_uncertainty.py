"""Uncertainty scores: each is small where the network is sure, and some need logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calibench.errors import InputError
from calibench.outputs.ood_scores import SPECS
from calibench.outputs.outputs import Outputs
from calibench.outputs.uncertainty import rounded, uncertainty_of


def test_every_score_of_the_command_line_is_small_where_the_network_is_sure():
    sure, unsure = [8.0, 0.0, -1.0], [0.4, 0.3, 0.2]
    outputs = Outputs(torch.tensor([sure, unsure]))
    assert len(SPECS) == 6
    for spec in SPECS:
        uncertainty = uncertainty_of(outputs, spec.name)
        assert uncertainty[0] < uncertainty[1], spec.name
        assert torch.equal(rounded(spec.load()(outputs)), uncertainty), spec.name
    np.testing.assert_allclose(uncertainty_of(outputs, "max-logit").numpy(), [-8.0, -0.4], rtol=1e-6)
    with pytest.raises(InputError, match="max-logit needs logits"):
        uncertainty_of(Outputs(outputs.probs(), from_probs=True), "max-logit")


def test_log_probabilities_have_no_energy():
    logits = torch.tensor([[8.0, 0.0, -1.0], [0.4, 0.3, 0.2]], dtype=torch.float64)
    assert uncertainty_of(Outputs(logits), "energy")[0] < -7
    for log_probs in (logits.log_softmax(1), logits.log_softmax(1).float()):
        with pytest.raises(InputError, match="logarithms of probabilities, whose energy is 0"):
            uncertainty_of(Outputs(log_probs), "energy")
