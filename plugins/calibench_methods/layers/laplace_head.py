"""The head of `laplace`: the last layer and laplace-torch's posterior over its weights."""

from __future__ import annotations

import io
from typing import Any

import torch
from torch import nn

from calibench import InputError
from calibench.models.vision_import import torchvision_operators


def laplace_library() -> Any:
    """The package laplace-torch; InputError with the command to install it if it is missing."""
    try:
        torchvision_operators()  # dependencies of laplace-torch import torchvision
        import laplace
    except ImportError as error:
        raise InputError(f"laplace needs laplace-torch ({error})", 'pip install "calibench[bayes]"') from None
    return laplace


class LaplaceHead(nn.Module):
    """The last layer of stage 1 and the posterior over its weights, which is part of the cached state."""

    def __init__(self, feature_size: int, num_classes: int, structure: str) -> None:
        super().__init__()
        self.linear = nn.Linear(feature_size, num_classes)
        self.posterior: Any = laplace_library().Laplace(
            self.linear, "classification", subset_of_weights="all", hessian_structure=structure
        )

    def get_extra_state(self) -> torch.Tensor:
        """The posterior's state as bytes, uint8 `[n]`."""
        file = io.BytesIO()
        torch.save(self.posterior.state_dict(), file)
        return torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Restore the posterior from the bytes of `get_extra_state`; only tensors and numbers are read."""
        file = io.BytesIO(bytes(state.cpu().tolist()))
        self.posterior.load_state_dict(torch.load(file, weights_only=True, map_location=self.linear.weight.device))
