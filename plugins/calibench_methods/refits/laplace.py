"""`laplace`: the last-layer Laplace approximation (Daxberger et al., NeurIPS 2021), through laplace-torch."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from calibench import HeadRefit, InputError, MethodSpec, Outputs, Param, training
from calibench.lazy import nn, torch
from calibench.stages import RefitTask
from calibench_methods import layers
from calibench_methods.refits.linear_head import check_linear_head

if TYPE_CHECKING:
    from calibench import Network

BATCH = 512
"""Rows per step: the Jacobians of a step are BATCH x K x (K D + K) floats."""

DEFAULT_SAMPLES = 100

SPEC = MethodSpec(
    name="laplace",
    kind="refit",
    target=f"{__name__}:LastLayerLaplace",
    summary="Last-layer Laplace approximation: a Gaussian around the trained last layer (laplace-torch, extra bayes).",
    params=(
        Param(
            "structure",
            "str",
            "kron",
            "structure of the Hessian: full stores (K D)^2 numbers, kron K^2 + D^2, diag K D",
            choices=("full", "kron", "diag"),
        ),
        Param(
            "prediction",
            "str",
            "probit",
            "how the Gaussian over logits becomes probabilities: probit and bridge are closed forms, mc draws samples",
            choices=("probit", "bridge", "mc"),
        ),
        Param("samples", "int", DEFAULT_SAMPLES, "number of draws if prediction is mc", minimum=1),
        Param(
            "prior_precision",
            "float",
            None,
            "tau; not set: the value that maximises the marginal likelihood of the training rows",
            minimum=1e-9,
        ),
    ),
    equation=(
        "q(w) = N(w_MAP, (H + tau I)^-1), H = sum over rows of J^T (diag p - p p^T) J; "
        "probit: p = softmax(m_k / sqrt(1 + pi s_k^2 / 8)), m and s^2 the mean and variance of the logits"
    ),
    use_when="a trained last layer needs an uncertainty of its own without another training",
    avoid_when=(
        "the last layer is not linear with a bias, which is refused, or so many rows fix it that its posterior is "
        "narrow"
    ),
    cost="a pass over the training rows and a search for tau; laplace-torch (extra bayes) takes 3 to 4 x the memory of ce",
    paper="E. Daxberger et al., Laplace Redux, NeurIPS 2021 (arXiv 2106.14806)",
    deviations=("w_MAP is stage 1's last layer, trained with stage 1's weight decay (0 unless set) and not with tau",),
)


class LastLayerLaplace(HeadRefit):
    """`N(w, (H + tau I)^-1)` around the trained last layer w, H the generalised Gauss-Newton Hessian of the training NLL.

    tau is the prior precision; unless it is set, it maximises the marginal likelihood of the training rows.
    """

    def __init__(self, structure: str, prediction: str, samples: int, prior_precision: float | None) -> None:
        if prediction != "mc" and samples != DEFAULT_SAMPLES:
            message = f"laplace: samples={samples} would do nothing, because prediction={prediction} draws none"
            raise InputError(message, "add prediction=mc")
        self.structure, self.prediction, self.samples = structure, prediction, samples
        self.prior_precision = prior_precision
        layers.laplace_library()

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """InputError unless the last layer is linear with a bias."""
        check_linear_head("laplace", network)

    def build(self, feature_size: int, num_classes: int) -> nn.Module:
        """A linear layer and an empty posterior."""
        return layers.LaplaceHead(feature_size, num_classes, self.structure)

    def fit(self, head: nn.Module, task: RefitTask) -> dict[str, float]:
        """Fit the posterior to the training features; returns the prior precision and the validation NLL."""
        assert isinstance(head, layers.LaplaceHead)
        head.linear.load_state_dict(task.original_head.state_dict())
        rows = torch.utils.data.TensorDataset(task.train_features, task.train_labels)
        head.posterior.fit(torch.utils.data.DataLoader(rows, batch_size=BATCH), progress_bar=False)
        if self.prior_precision is None:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", UserWarning
                )  # it asks for a link, which the marginal likelihood does not use
                head.posterior.optimize_prior_precision(pred_type="glm", method="marglik")
        else:
            head.posterior.prior_precision = self.prior_precision
        precision = float(head.posterior.prior_precision)
        task.report("stage 2, laplace", 1, 1, f"prior precision {precision:.4g}")
        nll = training.mean_nll(self.outputs(head, task.val_features).logits(), task.val_labels)
        return {"prior_precision": precision, "val_nll": nll}

    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """Probabilities `[N, K]` in float64."""
        assert isinstance(head, layers.LaplaceHead)
        options: dict[str, Any] = {"link_approx": self.prediction}
        if self.prediction == "mc":
            options["n_samples"] = self.samples
        blocks = [head.posterior(rows, pred_type="glm", **options).detach() for rows in features.split(BATCH)]
        probs = torch.cat([block.double() for block in blocks])
        return Outputs(probs / probs.sum(dim=1, keepdim=True), from_probs=True)
