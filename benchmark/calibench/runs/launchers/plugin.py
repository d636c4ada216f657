"""Registers the launchers of sweeps. They are described here, so that listing names imports none of them."""

from calibench.plugins.hookspecs import hookimpl
from calibench.plugins.params import Param
from calibench.plugins.specs import LauncherSpec

LOCAL = LauncherSpec(
    name="local",
    summary="Processes on this machine, `--jobs` at once.",
    target="calibench.runs.launchers.local:launch",
    default=True,
)

RAY = LauncherSpec(
    name="ray",
    summary="Tasks of Ray, here or on a cluster (`--address`); extra `ray`.",
    target="calibench.runs.launchers.ray:launch",
    params=(
        Param("address", "str", None, "the cluster, auto or HOST:PORT; without it one is started on this machine"),
        Param("gpus", "float", 0.0, "GPUs of a run; 0.25 lets four runs share one", minimum=0, maximum=64),
        Param("memory_gb", "float", None, "memory that Ray sets aside for a run", unit="GB", minimum=0.01),
        Param("retries", "int", 2, "how often a run is made again whose worker was lost", minimum=0, maximum=100),
        Param("store_mb", "int", 200, "the object store of a cluster that it starts", unit="MB", minimum=80),
    ),
)


@hookimpl
def calibench_launchers() -> list[LauncherSpec]:
    """Processes of this machine, and Ray for several machines."""
    return [LOCAL, RAY]
