"""Registers the methods of this package, every `SPEC` in the folders beside it, and its presets."""

from calibench import MethodSpec, PresetSpec, hookimpl, specs_in

KINDS = ("objectives", "refits", "samplers", "ensembles", "calibrators", "decisions")

_JORDAHN = "TST and V-TST on {} with a WRN-28-10, as Jordahn and Olmos (ICML 2024) trained them: hours on a GPU a seed."


@hookimpl
def calibench_methods() -> list[MethodSpec]:
    """The methods of each kind."""
    return [spec for kind in KINDS for spec in specs_in(f"calibench_methods.{kind}", MethodSpec)]


@hookimpl
def calibench_presets() -> list[PresetSpec]:
    """Whole runs by name: the files in `presets/`."""
    summaries = {
        "quick": "V-TST against its alternatives on the embedded digits, one seed, in seconds.",
        "table-thresholds": "Your table of three classes: a network with sigmoids, and thresholds 0.2, 0.4, 0.4 with abstention.",
        "jordahn-wrn-cifar10": _JORDAHN.format("CIFAR-10"),
        "jordahn-wrn-cifar100": _JORDAHN.format("CIFAR-100"),
        "jordahn-wrn-svhn": _JORDAHN.format("SVHN"),
    }
    return [
        PresetSpec(name=name, target=f"{__name__}:presets/{name}.toml", summary=summary)
        for name, summary in summaries.items()
    ]
