"""The presets, described; the runs themselves are in the files beside it."""

from calibench import PresetSpec

_JORDAHN = "TST and V-TST on {} with a WRN-28-10, as Jordahn and Olmos (ICML 2024) trained them: hours on a GPU a seed."

PRESETS = (
    PresetSpec(
        name="quick",
        target=f"{__name__}:presets/quick.toml",
        summary="V-TST against its alternatives on the embedded digits, one seed, in seconds.",
    ),
    PresetSpec(
        name="table-thresholds",
        target=f"{__name__}:presets/table-thresholds.toml",
        summary="Your table of three classes: a network with sigmoids, and thresholds 0.2, 0.4, 0.4 with abstention.",
    ),
    *(
        PresetSpec(
            name=f"jordahn-wrn-{name}",
            target=f"{__name__}:presets/jordahn-wrn-{name}.toml",
            summary=_JORDAHN.format(shown),
        )
        for name, shown in (("cifar10", "CIFAR-10"), ("cifar100", "CIFAR-100"), ("svhn", "SVHN"))
    ),
)
