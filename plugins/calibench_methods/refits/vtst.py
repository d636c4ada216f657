"""`vtst`: variational two-stage training (Jordahn and Olmos, ICML 2024)."""

from __future__ import annotations

import math
from typing import Any

from calibench import MethodSpec, Outputs, Param
from calibench.lazy import functional, nn, torch
from calibench_methods import layers
from calibench_methods.refits.parameters import (
    AUGMENTATION_DEVIATION,
    STAGE_2,
    STAGE_2_DEVIATIONS,
    TST_PAPER,
    VIEWS,
)
from calibench_methods.refits.stage_2 import FeatureRefit

BLOCK_ROWS = 1024
"""Rows decoded at a time: M x 1024 x Z floats are 5 MB at M = 10, Z = 128."""

SPEC = MethodSpec(
    name="vtst",
    kind="refit",
    target=f"{__name__}:VTST",
    summary="Variational two-stage training: a head with a latent variable, trained with the ELBO on the frozen body.",
    params=(
        *STAGE_2,
        *VIEWS,
        Param(
            "samples",
            "int",
            10,
            "M, number of Monte-Carlo samples whose softmax is averaged (1 is the cheap variant)",
            minimum=1,
        ),
        Param(
            "kl_weight",
            "float",
            None,
            "weight of the KL term; not set: 1/latent_dim; 1 is the plain ELBO",
            minimum=0,
        ),
    ),
    equation=(
        "q(z|x) = N(mu(f), diag s2(f)), log s2 = logsigmoid(.) <= 0, prior N(0, I); "
        "loss = -log softmax(W z + b)[y] + kl_weight KL(q || prior), one z; p = mean over M z of softmax(W z + b)"
    ),
    use_when="as tst, and confidences should also carry the uncertainty of the head's latent variable",
    avoid_when="a temperature is enough, or prediction must be cheap: samples=1 costs accuracy",
    cost="as tst with one more path in the head; 10 draws of the latent variable at prediction",
    paper=TST_PAPER,
    deviations=(
        *STAGE_2_DEVIATIONS,
        AUGMENTATION_DEVIATION,
        "the KL term has weight 1/latent_dim; kl_weight=1 is the plain ELBO as the paper writes it",
        "the checkpoint is selected by validation NLL; Algorithm 1 of the paper says otherwise, and its authors call that a "
        "mistake",
    ),
)


class VTST(FeatureRefit):
    """Stage 2 minimises `CE(W z + b, y) + kl_weight KL(q(z|x) || N(0, I))`; predictions average M softmaxes."""

    name = "vtst"
    title = "V-TST"

    def __init__(self, latent_dim: int, samples: int, kl_weight: float | None, **stage_2: Any) -> None:
        super().__init__(**stage_2)
        self.latent_dim = latent_dim
        self.samples = samples
        self.kl_weight = 1 / latent_dim if kl_weight is None else kl_weight

    def build(self, feature_size: int, num_classes: int) -> nn.Module:
        """The head, at torch's default initialisation."""
        return layers.VariationalHead(feature_size, num_classes, self.latent_dim)

    def loss(self, head: nn.Module, features: torch.Tensor, labels: torch.Tensor, rows: int) -> torch.Tensor:
        """Cross-entropy of one draw of z plus the weighted KL term, in nats."""
        assert isinstance(head, layers.VariationalHead)
        logits, kl = head.elbo_terms(features)
        return functional.cross_entropy(logits, labels) + self.kl_weight * kl.mean()

    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """Logits `[N, K]`: the log of the mean of M softmaxes, which keeps small probabilities."""
        assert isinstance(head, layers.VariationalHead)
        head.eval()
        with torch.inference_mode():
            log_sums = [
                torch.logsumexp(head.sampled_logits(rows, self.samples).double().log_softmax(dim=2), dim=0)
                for rows in features.split(BLOCK_ROWS)
            ]
        return Outputs(torch.cat(log_sums) - math.log(self.samples))
