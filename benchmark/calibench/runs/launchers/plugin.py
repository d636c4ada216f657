"""Registers the launchers of sweeps: every `SPEC` in the files beside this one."""

from calibench.plugins.hookspecs import hookimpl
from calibench.plugins.kit import specs_in
from calibench.plugins.specs import LauncherSpec


@hookimpl
def calibench_launchers() -> list[LauncherSpec]:
    """Processes of this machine, and Ray for several machines."""
    return specs_in("calibench.runs.launchers", LauncherSpec)
