"""The last layer of `laplace` with the posterior around it, as laplace-torch makes it."""

from __future__ import annotations

import io
from typing import Any

import torch
from torch import nn

from calibench import InputError
from calibench.models.vision_import import torchvision_operators


def laplace_library() -> Any:
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
        self.posterior: Any = laplace_library().Laplace(
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
