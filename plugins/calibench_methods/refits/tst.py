"""`tst`: two-stage training (Jordahn and Olmos, ICML 2024)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench import HeadRefit, InputError, MethodSpec, Outputs, Param, training
from calibench.lazy import functional, nn, torch
from calibench.stages import RefitTask
from calibench_methods.refits.parameters import LATENT_DIM, STAGE_2, STAGE_2_NOTES, TST_PAPER, VIEWS
from calibench_methods.refits.stage_2 import Stage2, refit

if TYPE_CHECKING:
    from calibench import Network

SPEC = MethodSpec(
    name="tst",
    kind="refit",
    target=f"{__name__}:TST",
    summary="Two-stage training: fresh classification layers, trained with cross-entropy on the frozen body.",
    params=(
        *STAGE_2,
        *VIEWS,
        Param(
            "head",
            "str",
            "mlp",
            "layers: mlp is V-TST's mean path and decoder, linear one layer",
            choices=("mlp", "linear"),
        ),
    ),
    equation="stage 2: min over head of -log softmax(head(f))[y], f = body(x) fixed",
    paper=TST_PAPER,
    deviations=(
        *STAGE_2_NOTES,
        "the paper augments every batch; views=1, the default, does not",
        "the paper leaves the layers open; the mlp has the sizes of V-TST's mean path",
    ),
)


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
            return training.mean_nll(training.predict(head, task.val_features), task.val_labels)

        return refit(head, task, self.stage_2, loss, validation_nll, "TST")

    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """Logits `[N, K]`."""
        return Outputs(training.predict(head, features))
