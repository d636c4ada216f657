"""The packages of the extra `peers`; `require_peers` checks for them before anything is timed."""

from __future__ import annotations

from importlib.util import find_spec

from calibench.errors import InputError

MODULES = {"torchmetrics": "torchmetrics", "netcal": "netcal", "scikit-learn": "sklearn.frozen"}
"""Each distribution with the module that its contender imports; scikit-learn has `FrozenEstimator` since 1.6."""

DISTRIBUTIONS = tuple(MODULES)


def require_peers() -> None:
    """InputError if a package is missing, with the command that installs it."""
    missing = [name for name, module in MODULES.items() if not _importable(module)]
    if missing:
        raise InputError(f"--peers needs {' and '.join(missing)}", 'pip install "calibench[peers]"')
    from calibench.models.vision_import import torchvision_operators

    torchvision_operators()  # torchmetrics imports torchvision where it finds one


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent is missing
        return False
