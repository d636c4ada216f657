"""`sngp`: the Gaussian-process layer of SNGP (Liu et al., NeurIPS 2020) on a frozen body."""

from __future__ import annotations

import math
from typing import Any

from calibench import MethodSpec, Outputs, Param, training
from calibench.lazy import functional, nn, torch
from calibench.stages import RefitTask
from calibench_methods import layers
from calibench_methods.refits.parameters import STAGE_2, STAGE_2_DEVIATIONS, VIEWS
from calibench_methods.refits.stage_2 import FeatureRefit

RIDGES = (1.0, 0.1, 0.01)
"""The paper's 1 and two decades below it, of which the validation NLL picks one: no single value fits all sizes of data."""

SPEC = MethodSpec(
    name="sngp",
    kind="refit",
    target=f"{__name__}:SNGP",
    summary="Gaussian-process last layer: random Fourier features, a Laplace approximation, and mean-field probabilities.",
    params=(
        *STAGE_2[1:],
        *VIEWS,
        Param("random_features", "int", 1024, "R, number of random Fourier features (the paper: 1 024)", minimum=2),
        Param("length_scale", "float", 1.0, "l, length scale of the kernel over standardised features", minimum=1e-6),
        Param(
            "ridge",
            "float",
            None,
            "precision of the prior over beta (the paper: 1); not set: the value of 1, 0.1, 0.01 with the lowest validation NLL",
            minimum=1e-9,
        ),
    ),
    equation=(
        "phi(f) = sqrt(2/R) cos(W z + b), z = standardised f / (l sqrt(D)), W ~ N(0, 1), b ~ U(0, 2 pi); loss = mean of "
        "-log softmax(beta phi)[y] + ridge |beta|^2 / (2 N); P_k = ridge I + sum over rows of p_k (1 - p_k) phi phi^T; "
        "p = softmax(beta_k phi / sqrt(1 + pi/8 phi P_k^-1 phi))"
    ),
    paper="J. Liu et al., Simple and Principled Uncertainty Estimation (SNGP), NeurIPS 2020 (arXiv 2006.10108)",
    deviations=(
        *STAGE_2_DEVIATIONS,
        "the body is trained already, so its layers have no spectral normalisation: distances between inputs need not survive in "
        "the features, and OOD rows that the body maps onto training rows keep a small variance",
        "the ridge is chosen of three by validation NLL, because 1 holds back the logits of small data; ridge=1 is the paper's",
        "features are standardised by the training rows, and the precision is one exact pass after training in place of a "
        "moving average over the last epoch",
    ),
    use_when="you want doubt that grows with the distance from the training features, from a network that is trained already",
    avoid_when="the body maps OOD rows onto training rows, or there are many classes: it stores K R^2 numbers (10: 42 MB)",
    cost="stage 2 on R random features, three times unless ridge is set; N K R^2 for the precisions; K R^2 a row at prediction",
)


class SNGP(FeatureRefit):
    """Stage 2 trains beta; then the precision of each class is computed once at its optimum."""

    name = "sngp"
    title = "SNGP"

    def __init__(self, random_features: int, length_scale: float, ridge: float | None, **stage_2: Any) -> None:
        super().__init__(**stage_2)
        self.random_features, self.length_scale = random_features, length_scale
        self.ridges = RIDGES if ridge is None else (ridge,)
        self.ridge = self.ridges[0]

    def build(self, feature_size: int, num_classes: int) -> nn.Module:
        """Drawn frequencies, beta at 0, precisions at the prior's."""
        mean = layers.RandomFeatures(feature_size, num_classes, self.random_features, self.length_scale)
        return layers.GaussianProcessHead(mean)

    def loss(self, head: nn.Module, features: torch.Tensor, labels: torch.Tensor, rows: int) -> torch.Tensor:
        """The negative log posterior of beta per training row, in nats."""
        assert isinstance(head, layers.RandomFeatures)
        return functional.cross_entropy(head(features), labels) + self.ridge * head.beta.square().sum() / (2 * rows)

    def validation_nll(self, head: nn.Module, task: RefitTask) -> float:
        """The NLL of the mean logits on the validation split, in nats; the variances come after training."""
        return training.mean_nll(training.predict(head, task.val_features), task.val_labels)

    def fit(self, head: nn.Module, task: RefitTask) -> dict[str, float]:
        """Train beta for each ridge, compute the precisions, keep the best; returns the ridge, its epoch and validation NLL."""
        assert isinstance(head, layers.GaussianProcessHead)
        head.mean.standardize(task.train_features)
        best: dict[str, float] = {}
        state: dict[str, torch.Tensor] = {}
        for ridge in self.ridges:
            self.ridge = ridge
            nn.init.zeros_(head.mean.beta)
            figures = super().fit(head.mean, task)
            head.fit_precision(task.train_features, ridge)
            nll = training.mean_nll(self.outputs(head, task.val_features).logits(), task.val_labels)
            if not best or nll < best["val_nll"]:
                best = {**figures, "val_nll": nll, "ridge": ridge}
                state = {name: tensor.clone() for name, tensor in head.state_dict().items()}
        head.load_state_dict(state)
        return best

    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """Logits `[N, K]`, shrunk by their variance."""
        assert isinstance(head, layers.GaussianProcessHead)
        with torch.inference_mode():
            mean, variance = head.moments(features)
        return Outputs((mean.double() / (1 + math.pi / 8 * variance.double()).sqrt()).clone())
