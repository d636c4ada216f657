"""`calibench.wrap`: a network that gives calibrated probabilities."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from calibench.errors import InputError
from calibench.maps.calibration_map import CalibrationMap, load_map
from calibench.maps.torch_module import Calibrated


def wrap(net: nn.Module, fitted: CalibrationMap | str | Path) -> Calibrated:
    """An `nn.Module` that gives calibrated probabilities where `net` gives logits; `fitted` is a map or its file.

    The network is used as it is: its parameters train on, and its mode is that of the wrapper. InputError for a map of
    probabilities, and for one without a formula.
    """
    if isinstance(fitted, str | Path):
        fitted = load_map(fitted)
    if not isinstance(net, nn.Module):
        raise InputError(f"there is a {type(net).__name__} to wrap", "give an nn.Module")
    if fitted.document.scores != "logits":
        raise InputError("the map was fitted on probabilities, and a network gives logits", "fit a map on its logits")
    return Calibrated(net, fitted.to_torch())
