"""`tst`: two-stage training (Jordahn and Olmos, ICML 2024)."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from calibench import HeadRefit, InputError, Network, Outputs
from calibench.stages import RefitTask
from calibench.training.predict import mean_nll, predict
from calibench_methods.refit_specs import LATENT_DIM
from calibench_methods.refits.stage_2 import Stage2, refit


class TST(HeadRefit):
    """Fresh classification layers on frozen features `f [N, D]`, trained with cross-entropy, best validation NLL kept.

    `mlp`: Linear(D, 3Z) - ReLU - Linear(3Z, Z) - Linear(Z, K), the deterministic path of V-TST's head, so that the two
    differ in nothing but the latent variable. `linear`: Linear(D, K).
    """

    def __init__(self, latent_dim: int, head: str, **stage_2: Any) -> None:
        if head == "linear" and latent_dim != LATENT_DIM:
            raise InputError(
                f"tst: latent_dim={latent_dim} would do nothing, a linear head has no latent layer", "drop one"
            )
        self.latent_dim = latent_dim
        self.head = head
        self.stage_2 = Stage2(**stage_2)

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """InputError for views that cannot be made."""
        self.stage_2.check("tst", network, input_shape)

    def build(self, feature_size: int, num_classes: int) -> nn.Module:
        """The layers, at torch's default initialisation."""
        if self.head == "linear":
            return nn.Linear(feature_size, num_classes)
        size = self.latent_dim
        mean_path = [nn.Linear(feature_size, 3 * size), nn.ReLU(), nn.Linear(3 * size, size)]
        return nn.Sequential(*mean_path, nn.Linear(size, num_classes))

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
