"""`ash`: energy of pruned features (Djurisic et al., ICLR 2023)."""

from __future__ import annotations

from calibench import InputError, OodScore, OodScoreSpec, Param
from calibench.lazy import torch
from calibench.stages import OodTask

SPEC = OodScoreSpec(
    name="ash",
    target=f"{__name__}:ASH",
    summary="Energy of the logits after all but the largest features of each row are set to 0 and the rest is scaled.",
    params=(
        Param(
            "variant",
            "str",
            "s",
            "what becomes of the features that stay: s scales them up, b makes them equal, p leaves them",
            choices=("s", "b", "p"),
        ),
        Param(
            "percentile",
            "float",
            90.0,
            "share of a row's features that is set to 0 (the paper: 60 to 95)",
            "%",
            minimum=0,
            maximum=99.99,
        ),
    ),
    equation=(
        "-ln sum over k of exp(W g + b)_k; g keeps the D - round(D percentile / 100) largest features; with s1 the sum of f and "
        "s2 the sum of those kept: s times exp(s1 / s2), b all s1 / (number kept), p unchanged"
    ),
    paper="A. Djurisic et al., Extremely Simple Activation Shaping for OOD Detection, ICLR 2023 (arXiv 2209.09858)",
    deviations=(
        "it acts on the features before the last layer, as in OpenOOD; the paper prunes the maps before the average pooling",
    ),
    use_when="features are many, at least 0 (after a ReLU) and mostly small, as in wide convolutional networks",
    avoid_when="the network is small: on digits variant s was worse than chance, though best on a ResNet-20",
    cost="as energy; nothing is fitted",
)


class ASH(OodScore):
    """ASH-S, ASH-B and ASH-P."""

    def __init__(self, variant: str, percentile: float) -> None:
        self.variant, self.percentile = variant, percentile

    def fit(self, task: OodTask) -> None:
        """Take the last layer; InputError if it is not linear, or if features are negative or none would stay."""
        self.weight, self.bias = task.last_layer("ash")
        if float(task.train_features.min()) < 0:
            raise InputError(
                "score ash: some training features are negative", "it needs features after a ReLU: use react"
            )
        size = self.weight.shape[1]
        if self._kept(size) < 1:
            message = f"score ash: percentile={self.percentile:g} leaves none of {size} features"
            raise InputError(message, "choose a smaller percentile")

    def uncertainty(self, features: torch.Tensor) -> torch.Tensor:
        """The energy of the shaped features, in nats."""
        return -(self.shaped(features) @ self.weight.T + self.bias).logsumexp(dim=1)

    def shaped(self, features: torch.Tensor) -> torch.Tensor:
        """Features `[n, D]` after pruning and scaling; a row of zeros stays."""
        # A stable sort: which of several zeros stays matters to variant b, and topk leaves it open.
        values, places = features.sort(dim=1, descending=True, stable=True)
        count = self._kept(features.shape[1])
        values, places = values[:, :count], places[:, :count]
        total, kept = features.sum(dim=1, keepdim=True), values.sum(dim=1, keepdim=True)
        if self.variant == "s":
            values = values * torch.where(kept > 0, total / kept, 1.0).exp()
        elif self.variant == "b":
            values = (total / values.shape[1]).expand_as(values)
        return torch.zeros_like(features).scatter(1, places, values)

    def _kept(self, size: int) -> int:
        return size - round(size * self.percentile / 100)
