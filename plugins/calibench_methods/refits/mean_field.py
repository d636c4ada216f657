"""`mean-field`: a Bayesian last layer with a factorised Gaussian over its weights (Blundell et al., ICML 2015)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Outputs, Param
from calibench.lazy import functional, nn, torch
from calibench_methods import layers
from calibench_methods.refits.parameters import STAGE_2, STAGE_2_DEVIATIONS, VIEWS
from calibench_methods.refits.stage_2 import FeatureRefit

SPEC = MethodSpec(
    name="mean-field",
    kind="refit",
    target=f"{__name__}:MeanField",
    summary="Bayesian last layer: a factorised Gaussian over its weights, trained with the ELBO on the frozen body.",
    params=(
        *STAGE_2[1:],
        *VIEWS,
        Param("prior_sd", "float", 1.0, "standard deviation of the prior over each weight", minimum=1e-6),
        Param("samples", "int", 30, "number of draws whose softmax is averaged", minimum=1),
        Param("kl_weight", "float", 1.0, "weight of the KL term; 1 is the ELBO", minimum=0),
    ),
    equation=(
        "q(w) = N(m, s^2) factorised, prior N(0, prior_sd^2); loss = mean of -log softmax(w f)[y] + "
        "kl_weight KL(q || prior) / N, one draw; p = mean over draws of softmax(w f)"
    ),
    use_when="a Bayesian last layer is wanted without another package",
    avoid_when=(
        "rows are many for one layer: its posterior is then narrow, and predictions are near those of tst:head=linear"
    ),
    cost="one pass of the body, then epochs of the head alone; 30 draws of the logits at prediction",
    paper="C. Blundell et al., Weight Uncertainty in Neural Networks, ICML 2015 (arXiv 1505.05424)",
    deviations=(
        *STAGE_2_DEVIATIONS[1:],
        "stage 2 ends at a plateau of the validation NLL, at lr 1e-2; at 1e-4 the standard deviations stay at .01, where they "
        "start",
        "only the last layer is Bayesian; the prior is a Gaussian in place of the paper's scale mixture; logits are drawn "
        "per row (local reparameterisation, Kingma et al. 2015)",
    ),
)


class MeanField(FeatureRefit):
    """Stage 2 minimises `mean CE + kl_weight KL / N` on frozen features; predictions average the softmax of `samples` draws."""

    name = title = "mean-field"
    default_lr = 1e-2

    def __init__(self, prior_sd: float, samples: int, kl_weight: float, **stage_2: Any) -> None:
        super().__init__(**stage_2)
        self.prior_sd, self.samples, self.kl_weight = prior_sd, samples, kl_weight

    def build(self, feature_size: int, num_classes: int) -> nn.Module:
        """The head; means start as in torch's linear layer, standard deviations at 0.01."""
        return layers.MeanFieldHead(feature_size, num_classes)

    def loss(self, head: nn.Module, features: torch.Tensor, labels: torch.Tensor, rows: int) -> torch.Tensor:
        """The negative ELBO per training row with one draw per row, in nats."""
        assert isinstance(head, layers.MeanFieldHead)
        return functional.cross_entropy(head(features), labels) + self.kl_weight * head.kl(self.prior_sd) / rows

    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """Probabilities `[N, K]` in float64."""
        total = torch.zeros(())
        with torch.inference_mode():
            for _ in range(self.samples):
                total = total + head(features).double().softmax(dim=1)
        return Outputs((total / self.samples).clone(), from_probs=True)
