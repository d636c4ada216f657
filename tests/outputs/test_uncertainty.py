"""Uncertainty scores: each is small where the network is sure, and some need logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calibench.config.shift_and_ood import OOD_SCORES
from calibench.errors import InputError
from calibench.outputs.outputs import Outputs
from calibench.outputs.uncertainty import uncertainty_of


def test_every_score_of_the_command_line_is_small_where_the_network_is_sure():
    sure, unsure = [8.0, 0.0, -1.0], [0.4, 0.3, 0.2]
    outputs = Outputs(torch.tensor([sure, unsure]))
    for score in OOD_SCORES:
        uncertainty = uncertainty_of(outputs, score)
        assert uncertainty[0] < uncertainty[1], score
    np.testing.assert_allclose(uncertainty_of(outputs, "max-logit").numpy(), [-8.0, -0.4], rtol=1e-6)
    with pytest.raises(InputError, match="max-logit needs logits"):
        uncertainty_of(Outputs(outputs.probs(), from_probs=True), "max-logit")
