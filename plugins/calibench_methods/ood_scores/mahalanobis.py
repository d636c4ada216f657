"""`mahalanobis`: distance to the nearest class mean under one covariance (Lee et al., NeurIPS 2018)."""

from __future__ import annotations

from calibench import OodScore, OodScoreSpec, Param
from calibench.lazy import torch
from calibench.stages import OodTask

SPEC = OodScoreSpec(
    name="mahalanobis",
    target=f"{__name__}:Mahalanobis",
    summary="Squared Mahalanobis distance of the features to the nearest class mean, with one covariance for all classes.",
    params=(
        Param(
            "relative",
            "bool",
            False,
            "subtract the distance to the mean of all rows (Ren et al. 2021, arXiv 2106.09022)",
        ),
    ),
    equation=(
        "min over k of (f - m_k) S^-1 (f - m_k), m_k the class means, S = 1/N sum over rows of (f - m_y)(f - m_y)^T; "
        "relative: minus (f - m) T^-1 (f - m), m and T the mean and covariance of all rows"
    ),
    paper="K. Lee et al., A Simple Unified Framework for Detecting OOD Samples, NeurIPS 2018 (arXiv 1807.03888)",
    deviations=(
        "the features are those before the last layer alone, and the inputs get no noise: as `mds` in OpenOOD's benchmarks",
        "S^-1 is the pseudo-inverse: a direction without variance in training, such as a dead unit, counts nothing",
    ),
    use_when="OOD rows lie far from all classes, or relative=true if they differ in directions that the classes share",
    avoid_when="classes are not Gaussian with one covariance in the features, or there are fewer rows than features",
    cost="one pass of the body over the training rows, and D^2 numbers",
)


class Mahalanobis(OodScore):
    """Distances are computed in whitened coordinates `f V / sqrt(eigenvalues)`."""

    def __init__(self, relative: bool) -> None:
        self.relative = relative

    def fit(self, task: OodTask) -> None:
        """Means `[K, D]` of the classes that have rows, and the whitening of the tied covariance."""
        features, labels = task.train_features, task.train_labels
        classes, row_class = torch.unique(labels, return_inverse=True)
        counts = torch.bincount(row_class).double()[:, None]
        sums = features.new_zeros(len(classes), features.shape[1]).index_add_(0, row_class, features)
        self.means = sums / counts
        self.whitening = whitening(features - self.means[row_class])
        self.mean = features.mean(dim=0)
        self.mean_whitening = whitening(features - self.mean)

    def uncertainty(self, features: torch.Tensor) -> torch.Tensor:
        """The squared distance to the nearest class mean; less the distance to the overall mean if `relative`."""
        nearest = torch.cdist(features @ self.whitening, self.means @ self.whitening).square().amin(dim=1)
        if not self.relative:
            return nearest
        return nearest - ((features - self.mean) @ self.mean_whitening).square().sum(dim=1)


def whitening(centred: torch.Tensor) -> torch.Tensor:
    """`[D, R]` for centred rows `[N, D]`: `||d W||^2` is `d` times the pseudo-inverse of their covariance times `d`."""
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
    whitened: torch.Tensor = vectors[:, kept] / values[kept].sqrt()
    return whitened
