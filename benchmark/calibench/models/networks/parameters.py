"""Parameters that several networks share."""

from calibench.plugins.params import Param

STANDARDIZE = Param("standardize", "bool", True, "scale inputs to training mean 0 and SD 1 first")

DROPOUT = Param(
    "dropout",
    "float",
    0.0,
    "share of activations set to 0 in training; mc-dropout needs it",
    "fraction",
    minimum=0,
    maximum=0.95,
)

SCALING = (
    Param(
        "standardize",
        "bool",
        True,
        "scale inputs first: by mean and std if they are set, else to training mean 0 and SD 1",
    ),
    Param(
        "mean", "floats", None, "fixed scaling (x - mean) / std: one number a channel, in units of x (0..255 of bytes)"
    ),
    Param("std", "floats", None, "fixed scaling, with mean: one number a channel, in units of x", minimum=1e-6),
)
