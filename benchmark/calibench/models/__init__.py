"""Networks, their weights, and the split of a network into body and head. `networks/` has one file a network.

The names below are imported when they are first used: the files in `networks/` need them, and listing models imports those files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import moved
from calibench.lazy import exports

if TYPE_CHECKING:
    from calibench.models.images import AsImage as AsImage
    from calibench.models.images import FixedScale as FixedScale
    from calibench.models.images import channels_of as channels_of
    from calibench.models.images import image_shape as image_shape
    from calibench.models.images import scaling as scaling
    from calibench.models.network import Network as Network
    from calibench.models.network import Standardize as Standardize
    from calibench.models.network import Task as Task
    from calibench.models.weights import read_weights as read_weights

__getattr__ = exports(
    __name__,
    {
        "calibench.models.images": ("AsImage", "FixedScale", "channels_of", "image_shape", "scaling"),
        "calibench.models.network": ("Network", "Standardize", "Task"),
        "calibench.models.weights": ("read_weights",),
    },
    moved.attribute,
)
