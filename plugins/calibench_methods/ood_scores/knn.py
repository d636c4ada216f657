"""`knn`: distance to the k-th nearest training row (Sun et al., ICML 2022)."""

from __future__ import annotations

from calibench import InputError, OodScore, OodScoreSpec, Param
from calibench.lazy import torch
from calibench.stages import OodTask

BLOCK = 25_000_000
"""Distances computed at a time: 200 MB in float64."""

SPEC = OodScoreSpec(
    name="knn",
    target=f"{__name__}:KNN",
    summary="Distance to the k-th nearest training row, between features of length 1.",
    params=(
        Param(
            "k",
            "int",
            50,
            "which neighbour (the paper: 50 on CIFAR-10, 200 on CIFAR-100, 1 000 on ImageNet)",
            minimum=1,
        ),
    ),
    equation="the k-th smallest ||z - z_i|| over training rows i, z = f / ||f||",
    paper="Y. Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors, ICML 2022 (arXiv 2204.06507)",
    deviations=("all training rows are kept; the paper also draws a part of them",),
    use_when="OOD rows have no simple shape in the features; it assumes no distribution",
    avoid_when="training rows are few beside k, or a feature's length tells OOD rows apart: only directions count",
    cost="one pass of the body over the training rows; each judged row is compared with all of them",
)


class KNN(OodScore):
    """Exact neighbours by brute force, in blocks."""

    def __init__(self, k: int) -> None:
        self.k = k

    def fit(self, task: OodTask) -> None:
        """Keep the training features at length 1; InputError if there are fewer than k."""
        self.train = unit(task.train_features)
        if len(self.train) < self.k:
            raise InputError(
                f"score knn: there are {len(self.train)} training rows, fewer than k={self.k}", "use a smaller k"
            )

    def uncertainty(self, features: torch.Tensor) -> torch.Tensor:
        """The distance to the k-th nearest training row, 0 to 2."""
        blocks = unit(features).split(max(1, BLOCK // len(self.train)))
        return torch.cat([torch.cdist(rows, self.train).kthvalue(self.k, dim=1).values for rows in blocks])


def unit(features: torch.Tensor) -> torch.Tensor:
    """Features `[N, D]` at length 1; a row of zeros stays."""
    length: torch.Tensor = features.norm(dim=1, keepdim=True).clamp_min(torch.finfo(features.dtype).tiny)
    return features / length
