"""`mean-field`: a Bayesian last layer with a factorised Gaussian over its weights (Blundell et al., ICML 2015)."""

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from calibench import HeadRefit, Network, Outputs
from calibench.seeds import seeded
from calibench.stages import RefitTask
from calibench.training.predict import mean_nll
from calibench_methods.refits.stage_2 import Stage2, refit

VALIDATION_SEED = 0x5EED
"""Every epoch is validated with the same draws, so that epochs differ by the head and not by luck."""

INITIAL_SD = 0.01
"""Of every weight: training starts as that of a point estimate."""


class MeanFieldHead(nn.Module):
    """Weights `[K, D]` and biases `[K]` with q = N(mean, softplus(rho)^2) each; logits are drawn by local reparameterisation.

    Given features f the logit k is N(m_k f + b_k, s_k^2 f^2 + t_k^2), one draw per row (Kingma et al. 2015), of the same
    marginal distribution as drawing the weights for each row.
    """

    def __init__(self, feature_size: int, num_classes: int) -> None:
        super().__init__()
        start = nn.Linear(feature_size, num_classes)
        rho = math.log(math.expm1(INITIAL_SD))
        self.weight = nn.Parameter(start.weight.detach())
        self.bias = nn.Parameter(start.bias.detach())
        self.weight_rho = nn.Parameter(torch.full_like(start.weight, rho).detach())
        self.bias_rho = nn.Parameter(torch.full_like(start.bias, rho).detach())

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """One draw of logits `[n, K]` for features `[n, D]`."""
        mean = functional.linear(features, self.weight, self.bias)
        weight_sd, bias_sd = functional.softplus(self.weight_rho), functional.softplus(self.bias_rho)
        variance = functional.linear(features.square(), weight_sd.square(), bias_sd.square())
        return mean + variance.sqrt() * torch.randn_like(mean)

    def kl(self, prior_sd: float) -> torch.Tensor:
        """`KL(q || N(0, prior_sd^2))` summed over weights and biases, nats."""
        total = self.weight.new_zeros(())
        for mean, rho in ((self.weight, self.weight_rho), (self.bias, self.bias_rho)):
            ratio = functional.softplus(rho) / prior_sd
            total = total + (0.5 * (ratio.square() + (mean / prior_sd).square() - 1) - ratio.log()).sum()
        return total


class MeanField(HeadRefit):
    """The ELBO `mean CE + kl_weight KL / N` on frozen features; prediction is the mean softmax of `samples` draws."""

    def __init__(self, prior_sd: float, samples: int, kl_weight: float, **stage_2: Any) -> None:
        self.prior_sd, self.samples, self.kl_weight = prior_sd, samples, kl_weight
        self.stage_2 = Stage2(**stage_2)

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """InputError for views that cannot be made."""
        self.stage_2.check("mean-field", network, input_shape)

    def build(self, feature_size: int, num_classes: int) -> nn.Module:
        """Means as torch initialises a linear layer, standard deviations 0.01."""
        return MeanFieldHead(feature_size, num_classes)

    def fit(self, head: nn.Module, task: RefitTask) -> dict[str, float]:
        """Stage 2."""
        assert isinstance(head, MeanFieldHead)
        rows = len(task.train_labels)

        def loss(features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return functional.cross_entropy(head(features), labels) + self.kl_weight * head.kl(self.prior_sd) / rows

        def validation_nll() -> float:
            with seeded(VALIDATION_SEED):
                return mean_nll(self.outputs(head, task.val_features).logits(), task.val_labels)

        return refit(head, task, self.stage_2, loss, validation_nll, "mean-field")

    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """Probabilities `[N, K]` in float64."""
        total = torch.zeros(())
        with torch.inference_mode():
            for _ in range(self.samples):
                total = total + head(features).double().softmax(dim=1)
        return Outputs((total / self.samples).clone(), from_probs=True)
