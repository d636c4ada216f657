"""`vtst`: variational two-stage training (Jordahn and Olmos, ICML 2024)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from calibench import HeadRefit, MethodSpec, Outputs, Param, training
from calibench.lazy import functional, nn, torch
from calibench.stages import RefitTask
from calibench_methods import layers
from calibench_methods.refits.parameters import STAGE_2, STAGE_2_NOTES, TST_PAPER, VIEWS
from calibench_methods.refits.stage_2 import Stage2, refit

if TYPE_CHECKING:
    from calibench import Network

VALIDATION_SEED = 0x5EED
"""Every epoch is validated with the same draws, so that epochs differ by the head and not by luck."""

ROWS = 1024
"""Rows that are decoded at a time: M x 1024 x Z floats are 5 MB at M = 10, Z = 128."""


SPEC = MethodSpec(
    name="vtst",
    kind="refit",
    target=f"{__name__}:VTST",
    summary="Variational two-stage training: a latent-variable head, trained by the ELBO on the frozen body.",
    params=(
        *STAGE_2,
        *VIEWS,
        Param(
            "samples",
            "int",
            10,
            "M, Monte-Carlo samples whose softmax is averaged (1 is the cheap variant)",
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
    paper=TST_PAPER,
    deviations=(
        *STAGE_2_NOTES,
        "the paper augments every batch; views=1, the default, does not",
        "the KL term is weighted 1/latent_dim; kl_weight=1 is the plain ELBO as the paper writes it",
        "stopped by validation NLL; Algorithm 1 of the paper says otherwise and its authors call that a mistake",
    ),
)


class VTST(HeadRefit):
    """Stage 2 minimises `CE(W z + b, y) + kl_weight KL(q(z|x) || N(0, I))`; predictions average M softmaxes."""

    def __init__(self, latent_dim: int, samples: int, kl_weight: float | None, **stage_2: Any) -> None:
        self.latent_dim = latent_dim
        self.samples = samples
        self.kl_weight = 1 / latent_dim if kl_weight is None else kl_weight
        self.stage_2 = Stage2(**stage_2)

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """InputError for views that cannot be made."""
        self.stage_2.check("vtst", network, input_shape)

    def build(self, feature_size: int, num_classes: int) -> nn.Module:
        """The head, at torch's default initialisation."""
        return layers.VariationalHead(feature_size, num_classes, self.latent_dim)

    def fit(self, head: nn.Module, task: RefitTask) -> dict[str, float]:
        """Stage 2, with one draw a step; the checkpoint is picked by the NLL of the M-sample prediction."""
        assert isinstance(head, layers.VariationalHead)

        def loss(features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            logits, kl = head.elbo_terms(features)
            return functional.cross_entropy(logits, labels) + self.kl_weight * kl.mean()

        def validation_nll() -> float:
            with training.seeded(VALIDATION_SEED):
                return training.mean_nll(self.outputs(head, task.val_features).scores, task.val_labels)

        return refit(head, task, self.stage_2, loss, validation_nll, "V-TST")

    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """`log of the mean over M of softmax(W z + b)`, `[N, K]`: log-probabilities are logits that lose no small value."""
        assert isinstance(head, layers.VariationalHead)
        head.eval()
        with torch.inference_mode():
            parts = [
                torch.logsumexp(head.sampled_logits(rows, self.samples).double().log_softmax(dim=2), dim=0)
                for rows in features.split(ROWS)
            ]
        return Outputs(torch.cat(parts) - math.log(self.samples))
