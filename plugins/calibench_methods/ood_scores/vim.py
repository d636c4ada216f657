"""`vim`: virtual-logit matching (Wang et al., CVPR 2022)."""

from __future__ import annotations

from calibench import InputError, OodScore, OodScoreSpec, Param
from calibench.lazy import torch
from calibench.stages import OodTask

SPEC = OodScoreSpec(
    name="vim",
    target=f"{__name__}:ViM",
    summary="Virtual logit: the part of the features outside their principal space, against the energy of the logits.",
    params=(
        Param(
            "dim",
            "int",
            None,
            "size of the principal space; not set: 1 000 from 2 048 features on, 512 from 768 on, else half (the paper)",
            "features",
            minimum=1,
        ),
    ),
    equation=(
        "a ||R (f - u)|| - ln sum over k of exp(x_k), u = -W^+ b, R projects on all but the first dim eigenvectors of "
        "sum (f - u)(f - u)^T, a = sum max_k x_k / sum ||R (f - u)|| over training rows"
    ),
    paper="H. Wang et al., ViM: Out-Of-Distribution with Virtual-logit Matching, CVPR 2022 (arXiv 2203.10807)",
    deviations=("all training rows fit the space and a; the authors draw 200 000 rows of ImageNet",),
    use_when="the last layer is linear and both its logits and the directions that it ignores may betray OOD rows",
    avoid_when="there are few features, so that nothing is left outside the principal space",
    cost="one pass of the body over the training rows, and D^2 numbers",
)


class ViM(OodScore):
    """The virtual logit minus the log-sum of the true ones orders rows as the paper's virtual probability does."""

    def __init__(self, dim: int | None) -> None:
        self.dim = dim

    def fit(self, task: OodTask) -> None:
        """The residual space and a; InputError for a head that is not linear, or if the residual space is empty."""
        self.weight, self.bias = task.last_layer("vim")
        features = task.train_features
        size = features.shape[1]
        dim = self.dim or (1000 if size >= 2048 else 512 if size >= 768 else size // 2)
        if not 0 < dim < size:
            raise InputError(f"score vim: dim={dim} leaves nothing of {size} features", "choose a smaller dim")
        self.origin = -torch.linalg.pinv(self.weight) @ self.bias
        centred = features - self.origin
        _, vectors = torch.linalg.eigh(centred.T @ centred)
        self.residual = vectors[:, : size - dim]  # eigenvalues rise: the smallest come first
        norms = (centred @ self.residual).norm(dim=1)
        if float(norms.mean()) <= torch.finfo(norms.dtype).eps * float(centred.norm(dim=1).mean()) * size:
            message = f"score vim: the training features have nothing outside {dim} principal directions"
            raise InputError(message, "choose a smaller dim")
        self.scale = float(self._logits(features).amax(dim=1).mean() / norms.mean())

    def uncertainty(self, features: torch.Tensor) -> torch.Tensor:
        """The virtual logit minus the log of the sum of the exponentials of the logits, in nats."""
        norms: torch.Tensor = ((features - self.origin) @ self.residual).norm(dim=1)
        return self.scale * norms - self._logits(features).logsumexp(dim=1)

    def _logits(self, features: torch.Tensor) -> torch.Tensor:
        return features @ self.weight.T + self.bias
