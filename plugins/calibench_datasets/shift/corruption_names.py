"""The names of the corruptions, their severities, and which of them the user asked for; imports nothing heavy."""

from __future__ import annotations

from calibench import InputError
from calibench.errors import did_you_mean

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
"""The fifteen that the mean is over, in the order of Hendrycks & Dietterich's table."""

EXTRA_KINDS = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
"""Published beside them, for tuning; in no mean."""

SEVERITIES = (1, 2, 3, 4, 5)

MEAN_OVER = tuple((kind, float(severity)) for kind in KINDS for severity in SEVERITIES)


def asked_kinds(text: str | None, usual: tuple[str, ...], known: tuple[str, ...], where: str) -> list[str]:
    """The kinds that `kinds=fog;snow` names, `usual` where it is not set; InputError for one that is not `known`, or twice."""
    if text is None:
        return list(usual)
    names = [name.strip() for name in text.split(";")]
    for name in names:
        if name not in known:
            raise InputError(f"{where}: there is no corruption {name!r}", did_you_mean(name, known))
    if len(set(names)) < len(names):
        raise InputError(f"{where}: kinds={text} names one twice", "name each once")
    return names


def asked_severities(levels: tuple[int, ...] | None, where: str) -> list[int]:
    """The severities asked for, all five where they are not set; InputError for one twice (bounds are the parameter's)."""
    chosen = list(SEVERITIES if levels is None else levels)
    if len(set(chosen)) < len(chosen):
        raise InputError(f"{where}: a severity is given twice", "give each once, as severities=1;3;5")
    return chosen
