"""`mean-field`: a Bayesian last layer with a factorised Gaussian over its weights (Blundell et al., ICML 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench import HeadRefit, MethodSpec, Outputs, Param, training
from calibench.lazy import functional, nn, torch
from calibench.stages import RefitTask
from calibench_methods import layers
from calibench_methods.refits.parameters import STAGE_2, STAGE_2_NOTES, VIEWS
from calibench_methods.refits.stage_2 import Stage2, refit

if TYPE_CHECKING:
    from calibench import Network

VALIDATION_SEED = 0x5EED
"""Every epoch is validated with the same draws, so that epochs differ by the head and not by luck."""


SPEC = MethodSpec(
    name="mean-field",
    kind="refit",
    target=f"{__name__}:MeanField",
    summary="Bayesian last layer: a factorised Gaussian over its weights, trained by the ELBO on the frozen body.",
    params=(
        *STAGE_2[1:],
        *VIEWS,
        Param("prior_sd", "float", 1.0, "standard deviation of the prior on every weight", minimum=1e-6),
        Param("samples", "int", 30, "draws whose softmax is averaged", minimum=1),
        Param("kl_weight", "float", 1.0, "weight of the KL term; 1 is the ELBO", minimum=0),
    ),
    equation=(
        "q(w) = N(m, s^2) factorised, prior N(0, prior_sd^2); loss = mean of -log softmax(w f)[y] + "
        "kl_weight KL(q || prior) / N, one draw; p = mean over draws of softmax(w f)"
    ),
    paper="C. Blundell et al., Weight Uncertainty in Neural Networks, ICML 2015 (arXiv 1505.05424)",
    deviations=(
        *STAGE_2_NOTES,
        "the last layer alone, a Gaussian prior in place of the scale mixture, and logits drawn per row "
        "(local reparameterisation, Kingma et al. 2015)",
    ),
)


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
        return layers.MeanFieldHead(feature_size, num_classes)

    def fit(self, head: nn.Module, task: RefitTask) -> dict[str, float]:
        """Stage 2."""
        assert isinstance(head, layers.MeanFieldHead)
        rows = len(task.train_labels)

        def loss(features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return functional.cross_entropy(head(features), labels) + self.kl_weight * head.kl(self.prior_sd) / rows

        def validation_nll() -> float:
            with training.seeded(VALIDATION_SEED):
                return training.mean_nll(self.outputs(head, task.val_features).logits(), task.val_labels)

        return refit(head, task, self.stage_2, loss, validation_nll, "mean-field")

    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """Probabilities `[N, K]` in float64."""
        total = torch.zeros(())
        with torch.inference_mode():
            for _ in range(self.samples):
                total = total + head(features).double().softmax(dim=1)
        return Outputs((total / self.samples).clone(), from_probs=True)
