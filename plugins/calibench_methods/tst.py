"""`tst`: two-stage training (Jordahn and Olmos, ICML 2024)."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from calibench import HeadRefit, Outputs
from calibench.models.training import mean_nll, predict
from calibench.stages import RefitTask
from calibench_methods.refitting import Stage2, refit


class TST(HeadRefit):
    """Fresh classification layers on frozen features `f [N, D]`, trained with cross-entropy, best validation NLL kept.

    `mlp`: Linear(D, 3Z) - ReLU - Linear(3Z, Z) - Linear(Z, K), the deterministic path of V-TST's head, so that the two
    differ in nothing but the latent variable. `linear`: Linear(D, K).
    """

    def __init__(self, latent_dim: int, head: str, **stage_2: Any) -> None:
        self.latent_dim = latent_dim
        self.head = head
        self.stage_2 = Stage2(**stage_2)

    def build(self, feature_size: int, num_classes: int) -> nn.Module:
        """The layers, at torch's default initialisation."""
        if self.head == "linear":
            return nn.Linear(feature_size, num_classes)
        return nn.Sequential(*latent_layers(feature_size, self.latent_dim), nn.Linear(self.latent_dim, num_classes))

    def fit(self, head: nn.Module, task: RefitTask) -> dict[str, float]:
        """Stage 2."""

        def loss(features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return functional.cross_entropy(head(features), labels)

        def validation_nll() -> float:
            return mean_nll(predict(head, task.val_features), task.val_labels)

        return refit(head, task, self.stage_2, loss, validation_nll, "TST")

    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """Logits `[N, K]`."""
        return Outputs(predict(head, features))


def latent_layers(feature_size: int, latent_dim: int) -> list[nn.Module]:
    """Linear(D, 3Z) - ReLU - Linear(3Z, Z), the shape of the paper's mean and variance heads."""
    return [nn.Linear(feature_size, 3 * latent_dim), nn.ReLU(), nn.Linear(3 * latent_dim, latent_dim)]
