"""Registers the networks: every `SPEC` in `networks/`."""

from calibench.plugins.hookspecs import hookimpl
from calibench.plugins.kit import specs_in
from calibench.plugins.specs import ModelSpec


@hookimpl
def calibench_models() -> list[ModelSpec]:
    """Networks for tables and small images, timm's, and `frozen` for features of a network that is trained already."""
    return specs_in("calibench.models.networks", ModelSpec)
