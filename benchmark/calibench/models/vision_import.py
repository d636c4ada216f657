"""Lets torchvision be imported beside a torch that its compiled library was not made for."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from calibench.lazy import torch

_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_kept: list[torch.library.Library] = []
"""A library's operators vanish with it."""


def torchvision_operators() -> None:
    """Declare `torchvision::nms` and `qnms` where torchvision's own library cannot be loaded; call before importing it.

    torchvision's wheel links against CUDA and fails beside a CPU build of torch with "operator torchvision::nms does not
    exist". Declared, not implemented: box suppression stays unavailable, all else in torchvision works. Does nothing
    where torchvision is missing or sound.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None or _kept:
        return
    for compiled in sorted(Path(found.origin).parent.glob("_C*.so")):
        try:
            torch.ops.load_library(str(compiled))
        except OSError:
            continue
        return
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}{_SIGNATURE}")
    _kept.append(library)
