"""`vtst`: variational two-stage training (Jordahn and Olmos, ICML 2024)."""

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

ROWS = 1024
"""Rows that are decoded at a time: M x 1024 x Z floats are 5 MB at M = 10, Z = 128."""


class VariationalHead(nn.Module):
    """`q(z|x) = N(mu(f), diag exp(log_variance(f)))` and the decoder `W z + b`, for features `f [N, D]`.

    The mean and the variance head, each Linear(D, 3Z) - ReLU - Linear(3Z, Z), are index 0 and 1 of batched matrices: the
    same sums in half the calls, 8 % faster on two cores.
    """

    def __init__(self, feature_size: int, num_classes: int, latent_dim: int) -> None:
        super().__init__()
        first = [nn.Linear(feature_size, 3 * latent_dim) for _ in range(2)]  # for torch's default initialisation
        second = [nn.Linear(3 * latent_dim, latent_dim) for _ in range(2)]
        self.hidden_weight = nn.Parameter(torch.stack([layer.weight.detach().T for layer in first]))
        self.hidden_bias = nn.Parameter(torch.stack([layer.bias.detach()[None] for layer in first]))
        self.latent_weight = nn.Parameter(torch.stack([layer.weight.detach().T for layer in second]))
        self.latent_bias = nn.Parameter(torch.stack([layer.bias.detach()[None] for layer in second]))
        self.decoder = nn.Linear(latent_dim, num_classes)

    def posterior(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean `[N, Z]` and log variance `[N, Z]`, the latter at most 0 by its log-sigmoid."""
        twice = features.expand(2, *features.shape)
        hidden = torch.baddbmm(self.hidden_bias, twice, self.hidden_weight).relu_()
        mean, raw = torch.baddbmm(self.latent_bias, hidden, self.latent_weight).unbind(0)
        return mean, functional.logsigmoid(raw)

    def sampled_logits(self, features: torch.Tensor, samples: int) -> torch.Tensor:
        """Logits `[M, N, K]` of M reparameterised draws `z = mu + exp(log_variance / 2) eps`; no gradient flows back."""
        mean, log_variance = self.posterior(features)
        eps = torch.randn(samples, *mean.shape, device=mean.device)
        logits: torch.Tensor = self.decoder(eps.mul_((0.5 * log_variance).exp()).add_(mean))
        return logits

    def elbo_terms(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits `[N, K]` of one draw, and `KL(q || N(0, I)) [N]` in nats."""
        mean, log_variance = self.posterior(features)
        z = torch.addcmul(mean, (0.5 * log_variance).exp(), torch.randn_like(mean))
        return self.decoder(z), kl_to_standard_normal(mean, log_variance)


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
        return VariationalHead(feature_size, num_classes, self.latent_dim)

    def fit(self, head: nn.Module, task: RefitTask) -> dict[str, float]:
        """Stage 2, with one draw a step; the checkpoint is picked by the NLL of the M-sample prediction."""
        assert isinstance(head, VariationalHead)

        def loss(features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            logits, kl = head.elbo_terms(features)
            return functional.cross_entropy(logits, labels) + self.kl_weight * kl.mean()

        def validation_nll() -> float:
            with seeded(VALIDATION_SEED):
                return mean_nll(self.outputs(head, task.val_features).scores, task.val_labels)

        return refit(head, task, self.stage_2, loss, validation_nll, "V-TST")

    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """`log of the mean over M of softmax(W z + b)`, `[N, K]`: log-probabilities are logits that lose no small value."""
        assert isinstance(head, VariationalHead)
        head.eval()
        with torch.inference_mode():
            parts = [
                torch.logsumexp(head.sampled_logits(rows, self.samples).double().log_softmax(dim=2), dim=0)
                for rows in features.split(ROWS)
            ]
        return Outputs(torch.cat(parts) - math.log(self.samples))


def kl_to_standard_normal(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """`KL(N(mean, diag exp(log_variance)) || N(0, I)) = 1/2 sum(exp(lv) + mean^2 - 1 - lv)`, `[N]`, in nats."""
    return 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).sum(dim=1)
