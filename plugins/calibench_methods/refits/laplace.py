"""`laplace`: the last-layer Laplace approximation (Daxberger et al., NeurIPS 2021), through laplace-torch."""

from __future__ import annotations

import io
import warnings
from typing import Any

import torch
from torch import nn

from calibench import HeadRefit, InputError, Network, Outputs
from calibench.models.vision_import import torchvision_operators
from calibench.stages import RefitTask
from calibench.training.predict import mean_nll

BATCH = 512
"""Features a step: the Jacobians of a step are BATCH x K x (K D + K) floats."""


def _import() -> Any:
    """laplace-torch, or an error that names what to install."""
    try:
        torchvision_operators()  # its dependencies import torchvision
        import laplace
    except ImportError as error:
        raise InputError(f"laplace needs laplace-torch ({error})", 'pip install "calibench[bayes]"') from None
    return laplace


class LaplaceHead(nn.Module):
    """The last layer of stage 1 and the posterior around it, which is part of the state that is cached."""

    def __init__(self, feature_size: int, num_classes: int, structure: str) -> None:
        super().__init__()
        self.linear = nn.Linear(feature_size, num_classes)
        self.posterior: Any = _import().Laplace(
            self.linear, "classification", subset_of_weights="all", hessian_structure=structure
        )

    def get_extra_state(self) -> torch.Tensor:
        """What laplace-torch wants kept, as bytes."""
        held = io.BytesIO()
        torch.save(self.posterior.state_dict(), held)
        return torch.frombuffer(bytearray(held.getvalue()), dtype=torch.uint8)

    def set_extra_state(self, state: torch.Tensor) -> None:
        """The posterior that `get_extra_state` kept; tensors and numbers alone are read."""
        held = io.BytesIO(bytes(state.cpu().tolist()))
        self.posterior.load_state_dict(torch.load(held, weights_only=True, map_location=self.linear.weight.device))


class LastLayerLaplace(HeadRefit):
    """`N(w, (H + tau I)^-1)` around the trained last layer w, H the generalised Gauss-Newton Hessian of the training NLL.

    tau, the prior precision, maximises the marginal likelihood of the training rows unless it is given.
    """

    def __init__(self, structure: str, prediction: str, samples: int, prior_precision: float | None) -> None:
        if prediction != "mc" and samples != 100:
            raise InputError(
                f"laplace: samples={samples} would do nothing, {prediction} draws none", "add prediction=mc"
            )
        self.structure, self.prediction, self.samples = structure, prediction, samples
        self.prior_precision = prior_precision
        _import()

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """InputError unless the last layer is linear with a bias."""
        if not isinstance(network.head, nn.Linear) or network.head.bias is None:
            kind = type(network.head).__name__
            raise InputError(
                f"laplace needs a linear last layer with a bias, this one is a {kind}", "leave one of them out"
            )

    def build(self, feature_size: int, num_classes: int) -> nn.Module:
        """A linear layer and an empty posterior."""
        return LaplaceHead(feature_size, num_classes, self.structure)

    def fit(self, head: nn.Module, task: RefitTask) -> dict[str, float]:
        """Fits the posterior on the training features; returns the prior precision and the validation NLL."""
        assert isinstance(head, LaplaceHead)
        head.linear.load_state_dict(task.original_head.state_dict())
        rows = torch.utils.data.TensorDataset(task.train_features, task.train_labels)
        head.posterior.fit(torch.utils.data.DataLoader(rows, batch_size=BATCH), progress_bar=False)
        if self.prior_precision is None:
            with warnings.catch_warnings():  # that the link should be named; the marginal likelihood uses none
                warnings.simplefilter("ignore", UserWarning)
                head.posterior.optimize_prior_precision(pred_type="glm", method="marglik")
        else:
            head.posterior.prior_precision = self.prior_precision
        precision = float(head.posterior.prior_precision)
        task.report("stage 2, laplace", 1, 1, f"prior precision {precision:.4g}")
        nll = mean_nll(self.outputs(head, task.val_features).logits(), task.val_labels)
        return {"prior_precision": precision, "val_nll": nll}

    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """Probabilities `[N, K]` in float64."""
        assert isinstance(head, LaplaceHead)
        how: dict[str, Any] = {"link_approx": self.prediction}
        if self.prediction == "mc":
            how["n_samples"] = self.samples
        found = [head.posterior(rows, pred_type="glm", **how).detach().double() for rows in features.split(BATCH)]
        probs = torch.cat(found)
        return Outputs(probs / probs.sum(dim=1, keepdim=True), from_probs=True)
