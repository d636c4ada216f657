"""`vbll`: variational Bayesian last layers (Harrison, Willes, Snoek, ICLR 2024)."""

from __future__ import annotations

import math
from typing import Any

from calibench import MethodSpec, Outputs, Param
from calibench.lazy import nn, torch
from calibench_methods import layers
from calibench_methods.refits.parameters import STAGE_2, STAGE_2_DEVIATIONS, VIEWS
from calibench_methods.refits.stage_2 import FeatureRefit

BLOCK_ROWS = 512
"""Rows predicted at a time: a dense covariance makes K x D floats a row."""

SPEC = MethodSpec(
    name="vbll",
    kind="refit",
    target=f"{__name__}:VBLL",
    summary="Variational Bayesian last layer: Gaussian weights and noise, trained by a bound that needs no draws.",
    params=(
        *STAGE_2[1:],
        *VIEWS,
        Param(
            "covariance",
            "str",
            "dense",
            "covariance of the weights of each class: dense has D (D + 1) / 2 numbers, diagonal D",
            choices=("dense", "diagonal"),
        ),
        Param("prior_scale", "float", 1.0, "the prior variance of each weight is prior_scale 2/D", minimum=1e-9),
        Param("wishart_scale", "float", 1.0, "scale of the prior over the noise's precision", minimum=0),
        Param("dof", "float", 1.0, "degrees of freedom of that prior", minimum=0),
        Param("samples", "int", 20, "number of draws whose softmax is averaged (the library: 20)", minimum=1),
        Param("kl_weight", "float", 1.0, "weight of both priors; 1 is the ELBO", minimum=0),
    ),
    equation=(
        "q(w_k) = N(m_k, S_k), prior N(0, prior_scale 2/D I), logits z = w f + noise, noise N(0, diag s^2); "
        "loss = mean of LSE_k(m_k f + (f S_k f + s_k^2) / 2) - m_y f + kl_weight / N (KL(q || prior) + a sum log s_k^2 "
        "+ wishart_scale / 2 sum 1 / s_k^2), a = (dof + K + 1) / 2; p = mean over draws of softmax(z)"
    ),
    paper="J. Harrison, J. Willes, J. Snoek, Variational Bayesian Last Layers, ICLR 2024 (arXiv 2404.11599)",
    deviations=(
        *STAGE_2_DEVIATIONS,
        "this is the paper's post-training: the features are trained first and stay frozen",
        "the paper's discriminative head has no bias, and neither has this one",
        "the defaults are those of the authors' library vbll 0.4.9; the layer is written anew because a step of the "
        "library takes 48 times as long (256 rows, D = 64, K = 10, one core), and its low-rank covariance is left out",
    ),
    use_when="you have a trained network and want doubt that grows with the distance from its features, at one pass a row",
    avoid_when="there are many classes and wide features: dense needs K D^2 numbers (100 classes, 640 features: 41 million)",
    cost="stage 2 on features: K D^2 multiplications a row if dense (mean-field: 2 K D); one pass of the body at prediction",
)


class VBLL(FeatureRefit):
    """Stage 2 maximises the library's bound of the log-likelihood on frozen features; predictions average `samples` softmaxes."""

    name = "vbll"
    title = "VBLL"

    def __init__(
        self,
        covariance: str,
        prior_scale: float,
        wishart_scale: float,
        dof: float,
        samples: int,
        kl_weight: float,
        **stage_2: Any,
    ) -> None:
        super().__init__(**stage_2)
        self.dense, self.prior_scale = covariance == "dense", prior_scale
        self.wishart_scale, self.dof = wishart_scale, dof
        self.samples, self.kl_weight = samples, kl_weight

    def build(self, feature_size: int, num_classes: int) -> nn.Module:
        """The head, at the library's initialisation."""
        return layers.VBLLHead(feature_size, num_classes, self.dense)

    def loss(self, head: nn.Module, features: torch.Tensor, labels: torch.Tensor, rows: int) -> torch.Tensor:
        """The negative bound per training row, in nats; nothing is drawn."""
        assert isinstance(head, layers.VBLLHead)
        priors = head.kl(self.prior_scale * 2 / features.shape[1]) + head.noise_penalty(self.wishart_scale, self.dof)
        return self.kl_weight / rows * priors - head.bound(features, labels).mean()

    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """Logits `[N, K]`: the log of the mean of `samples` softmaxes, which keeps small probabilities."""
        assert isinstance(head, layers.VBLLHead)
        blocks = []
        with torch.inference_mode():
            for rows in features.split(BLOCK_ROWS):
                mean, variance = head.logit_moments(rows)
                draws = mean + variance.sqrt() * torch.randn(self.samples, *mean.shape, device=mean.device)
                blocks.append(draws.double().log_softmax(dim=2).logsumexp(dim=0))
        return Outputs(torch.cat(blocks).clone() - math.log(self.samples))
