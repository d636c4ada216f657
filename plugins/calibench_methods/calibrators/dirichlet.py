"""`dirichlet`: Dirichlet calibration with off-diagonal and intercept regularisation (Kull et al., NeurIPS 2019)."""

from __future__ import annotations

import torch

from calibench import Outputs
from calibench_methods.calibrators.matrix import Matrix


class Dirichlet(Matrix):
    """`softmax(W ln p + b)`, W and b penalised and fitted as in `matrix`."""

    name = "dirichlet"

    def features(self, outputs: Outputs) -> torch.Tensor:
        """`ln p`, which a constant added to a row of logits does not change."""
        return outputs.logits().log_softmax(dim=1)
