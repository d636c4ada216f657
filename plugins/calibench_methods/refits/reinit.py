"""`reinit`: the control experiment for two-stage training, a new last layer on a body that keeps training."""

from __future__ import annotations

from typing import Any

from calibench import HeadRefit, MethodSpec, Outputs, training
from calibench.lazy import functional, nn, torch
from calibench.stages import RefitTask, TuneTask
from calibench_methods.refits.parameters import STAGE_2, STAGE_2_DEVIATIONS
from calibench_methods.refits.stage_2 import Stage2

SPEC = MethodSpec(
    name="reinit",
    kind="refit",
    target=f"{__name__}:Reinit",
    summary="The control experiment for two-stage training: a new last layer, then the whole network trains further.",
    params=STAGE_2[1:],
    equation="stage 2: min over body and head of -log softmax(head(body(x)))[y], head new, body from stage 1",
    use_when="as the control beside tst and vtst: it shows what training all layers further gives",
    avoid_when="time is short, or the data are features: it trains the whole network",
    cost="a second training of the whole network",
    paper="Khodaverdian et al., reproduction of Jordahn and Olmos, TMLR 2025",
    deviations=(
        *STAGE_2_DEVIATIONS,
        "the body must be trainable; for a dataset of features the control experiment is tst:head=linear",
    ),
)


class Reinit(HeadRefit):
    """A new Linear(D, K); then the whole network trains further with cross-entropy, and the best validation NLL is kept."""

    tunes_body = True

    def __init__(self, **stage_2: Any) -> None:
        self.stage_2 = Stage2(**stage_2)

    def build(self, feature_size: int, num_classes: int) -> nn.Module:
        """The last layer, at torch's default initialisation."""
        return nn.Linear(feature_size, num_classes)

    def tune(self, network: nn.Module, task: TuneTask) -> dict[str, float]:
        """Train body, batch-norm statistics and head in place; returns the epoch kept and its validation NLL."""
        x, y = task.train_x, task.train_labels

        def step(rows: torch.Tensor) -> torch.Tensor:
            return functional.cross_entropy(network(x[rows]), y[rows])

        def validate() -> float:
            return training.mean_nll(training.predict(network, task.val_x), task.val_labels)

        schedule = self.stage_2.schedule(len(y))
        return training.train(
            network, step, validate, len(y), schedule, task.report, "stage 2, reinit", resume=task.resume
        )

    def fit(self, head: nn.Module, task: RefitTask) -> dict[str, float]:
        """Never called, because `tunes_body` is true."""
        raise NotImplementedError

    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """Logits `[N, K]`."""
        return Outputs(training.predict(head, features))
