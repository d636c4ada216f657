"""Registers the trackers of this package: every `SPEC` in the folder beside this file."""

from calibench import TrackerSpec, hookimpl, specs_in


@hookimpl
def calibench_trackers() -> list[TrackerSpec]:
    """TensorBoard, W&B, MLflow and Comet, none of which is imported before a user names it."""
    return specs_in("calibench_trackers.trackers", TrackerSpec)
