"""Names and severities of the corruptions, and the user's choice among them."""

from __future__ import annotations

from calibench import InputError
from calibench.errors import did_you_mean
from calibench_datasets.readers.names import split_names

KINDS = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
"""The fifteen corruptions of the mean, in the order of Hendrycks & Dietterich's table."""

EXTRA_KINDS = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
"""Four more, published for tuning; no mean includes them."""

SEVERITIES = (1, 2, 3, 4, 5)

MEAN_OVER = tuple((kind, float(severity)) for kind in KINDS for severity in SEVERITIES)


def choose_kinds(text: str | None, allowed: tuple[str, ...], where: str) -> list[str]:
    """The kinds that `kinds=fog;snow` names, or the fifteen if it is not set; InputError for one not allowed, or repeated."""
    if text is None:
        return list(KINDS)
    kinds = split_names(text)
    for kind in kinds:
        if kind not in allowed:
            raise InputError(f"{where}: there is no corruption {kind!r}", did_you_mean(kind, allowed))
    if len(set(kinds)) < len(kinds):
        raise InputError(f"{where}: kinds={text} names one twice", "name each once")
    return list(kinds)


def choose_severities(severities: tuple[int, ...] | None, where: str) -> list[int]:
    """`severities`, or all five if they are not set; InputError for a repeated one. The parameter itself checks the bounds."""
    levels = list(SEVERITIES if severities is None else severities)
    if len(set(levels)) < len(levels):
        raise InputError(f"{where}: a severity is repeated", "give each once, as severities=1;3;5")
    return levels
