"""Registers the datasets, noise models and shifts of this package: every `SPEC` in the folders beside it."""

from calibench import DatasetSpec, NoiseSpec, ShiftSpec, hookimpl, specs_in


@hookimpl
def calibench_datasets() -> list[DatasetSpec]:
    """Data that scikit-learn ships, the user's own files, and the published image sets."""
    return specs_in("calibench_datasets.sources", DatasetSpec)


@hookimpl
def calibench_noises() -> list[NoiseSpec]:
    """Models of wrong labels, and people's labels."""
    return specs_in("calibench_datasets.noise", NoiseSpec)


@hookimpl
def calibench_shifts() -> list[ShiftSpec]:
    """Corruptions, rotations, other class shares."""
    return specs_in("calibench_datasets.shift", ShiftSpec)
