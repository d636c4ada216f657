"""torchmetrics, or an error that names the extra."""

from __future__ import annotations

from calibench.errors import InputError
from calibench.models.vision_import import torchvision_operators

try:
    torchvision_operators()  # torchmetrics imports torchvision where it finds one
    from torchmetrics import Metric
except ImportError as error:
    raise InputError(
        "the modules of calibench.metrics are torchmetrics modules, and it is not installed",
        'pip install "calibench[torchmetrics]"',
    ) from error

__all__ = ["Metric"]
