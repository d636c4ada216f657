"""Registers the networks: every `SPEC` in `networks/`."""

from calibench.plugins.hookspecs import hookimpl
from calibench.plugins.kit import specs_in
from calibench.plugins.specs import ModelSpec


@hookimpl
def calibench_models() -> list[ModelSpec]:
    """Networks for tables and small images, those of timm, and `frozen` for features of a network that is already trained."""
    return specs_in("calibench.models.networks", ModelSpec)
