"""`tst`: two-stage training (Jordahn and Olmos, ICML 2024)."""

from __future__ import annotations

from typing import Any

from calibench import InputError, MethodSpec, Outputs, Param, training
from calibench.lazy import functional, nn, torch
from calibench.stages import RefitTask
from calibench_methods.refits.parameters import (
    AUGMENTATION_DEVIATION,
    LATENT_DIM,
    STAGE_2,
    STAGE_2_DEVIATIONS,
    TST_PAPER,
    VIEWS,
)
from calibench_methods.refits.stage_2 import FeatureRefit

SPEC = MethodSpec(
    name="tst",
    kind="refit",
    target=f"{__name__}:TST",
    summary="Two-stage training: new classification layers, trained with cross-entropy on the frozen body.",
    params=(
        *STAGE_2,
        *VIEWS,
        Param(
            "head",
            "str",
            "mlp",
            "classification layers: mlp is V-TST's mean path and decoder, linear is a single layer",
            choices=("mlp", "linear"),
        ),
    ),
    equation="stage 2: min over head of -log softmax(head(f))[y], f = body(x) fixed",
    use_when=(
        "a large trained network is over-confident, or new training rows resemble those to judge more than the body's "
        "did"
    ),
    avoid_when="training rows are few: new layers over-fit them (10 000 images: ECE15 5.6 %, the old layer 2.4 %)",
    cost="one pass of the body, then epochs of the head alone",
    paper=TST_PAPER,
    deviations=(
        *STAGE_2_DEVIATIONS,
        AUGMENTATION_DEVIATION,
        "the paper does not specify the layers; the mlp has the sizes of V-TST's mean path and decoder",
    ),
)


class TST(FeatureRefit):
    """New classification layers on frozen features `f [N, D]`, trained with cross-entropy.

    `mlp`: Linear(D, 3Z) - ReLU - Linear(3Z, Z) - Linear(Z, K), the deterministic path of V-TST's head, so that the two
    methods differ only in the latent variable. `linear`: Linear(D, K).
    """

    name = "tst"
    title = "TST"

    def __init__(self, latent_dim: int, head: str, **stage_2: Any) -> None:
        if head == "linear" and latent_dim != LATENT_DIM:
            message = f"tst: latent_dim={latent_dim} would do nothing, because a linear head has no latent layer"
            raise InputError(message, "drop one of them")
        super().__init__(**stage_2)
        self.latent_dim = latent_dim
        self.head = head

    def build(self, feature_size: int, num_classes: int) -> nn.Module:
        """The layers, at torch's default initialisation."""
        if self.head == "linear":
            return nn.Linear(feature_size, num_classes)
        size = self.latent_dim
        mean_path = [nn.Linear(feature_size, 3 * size), nn.ReLU(), nn.Linear(3 * size, size)]
        return nn.Sequential(*mean_path, nn.Linear(size, num_classes))

    def loss(self, head: nn.Module, features: torch.Tensor, labels: torch.Tensor, rows: int) -> torch.Tensor:
        """Cross-entropy, in nats."""
        return functional.cross_entropy(head(features), labels)

    def validation_nll(self, head: nn.Module, task: RefitTask) -> float:
        """The NLL of the head's logits on the validation split, in nats; nothing is drawn at random."""
        return training.mean_nll(training.predict(head, task.val_features), task.val_labels)

    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """Logits `[N, K]`."""
        return Outputs(training.predict(head, features))
