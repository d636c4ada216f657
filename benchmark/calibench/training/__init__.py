"""The one training loop and its parts. Plugins import `train`, `predict`, `mean_nll`, `seeded`, `Schedule` and
`end_of_training` from here.

They load when they are first used: a method's file is imported whenever methods are listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench.lazy import exports

if TYPE_CHECKING:
    from calibench.seeds import seeded as seeded
    from calibench.training.loop import train as train
    from calibench.training.plateau import end_of_training as end_of_training
    from calibench.training.prediction import mean_nll as mean_nll
    from calibench.training.prediction import predict as predict
    from calibench.training.schedule import Schedule as Schedule

__getattr__ = exports(
    __name__,
    {
        "calibench.seeds": ("seeded",),
        "calibench.training.loop": ("train",),
        "calibench.training.plateau": ("end_of_training",),
        "calibench.training.prediction": ("mean_nll", "predict"),
        "calibench.training.schedule": ("Schedule",),
    },
)
