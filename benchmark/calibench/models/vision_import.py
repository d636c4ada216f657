"""Make torchvision importable beside a torch for which its compiled library was not built."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from calibench.lazy import torch

_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_libraries: list[torch.library.Library] = []
"""The library that was declared here; its operators vanish when it is garbage-collected."""


def torchvision_operators() -> None:
    """Declare `torchvision::nms` and `qnms` if torchvision's own library cannot be loaded; call it before importing torchvision.

    torchvision's wheel links against CUDA and fails beside a CPU build of torch with "operator torchvision::nms does not
    exist". The operators are declared, not implemented: box suppression stays unavailable, everything else in torchvision
    works. Does nothing if torchvision is missing or sound.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None or _libraries:
        return
    for compiled in sorted(Path(spec.origin).parent.glob("_C*.so")):
        try:
            torch.ops.load_library(str(compiled))
        except OSError:
            continue
        return
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}{_SIGNATURE}")
    _libraries.append(library)
