"""Registers the methods and OOD scores of this package (every `SPEC` in the folders beside this file), its presets and suites."""

from calibench import MethodSpec, OodScoreSpec, PresetSpec, SuiteSpec, hookimpl, specs_in

KINDS = ("objectives", "refits", "samplers", "ensembles", "calibrators", "decisions")
"""A folder of this package for each kind of stage."""

JORDAHN = "TST and V-TST on {} with a WRN-28-10, trained as by Jordahn and Olmos (ICML 2024): hours on a GPU per seed."

PRESETS = {
    "quick": "V-TST against its alternatives on the embedded digits: one seed, a few seconds.",
    "table-thresholds": "Your table of three classes: a network with sigmoid units, and thresholds 0.2, 0.4, 0.4 with abstention.",
    "jordahn-wrn-cifar10": JORDAHN.format("CIFAR-10"),
    "jordahn-wrn-cifar100": JORDAHN.format("CIFAR-100"),
    "jordahn-wrn-svhn": JORDAHN.format("SVHN"),
}
"""The files in `presets/`, each with its summary."""

SUITES = {
    "quick-v1": "Recipes of every family on the four data sets that ship with scikit-learn: minutes on a laptop.",
    "posthoc-v1": "Calibrators on stored outputs: scikit-learn's classifiers, or the experiments of your file.",
    "noisy30-v1": "Losses for wrong labels, where 30 % of the labels of train and val are wrong.",
    "selective-v1": "Abstention: whose uncertainty orders the errors best, and what rules with a guarantee cost.",
    "imbalance-v1": "Rare classes: weights, adjusted losses and prior corrections, judged by their probabilities.",
    "tabular-v1": "Networks and calibrators on 19 tables of UCI, from OpenML.",
    "shift-v1": "CIFAR-10 under corruptions, and against rows of other classes: hours on a GPU.",
    "two-stage-v1": "TST and V-TST on CIFAR-10, CIFAR-100 and SVHN, as in their paper: days on a GPU.",
}
"""The files in `suites/`, a link to leaderboards/suites/, each with its summary."""


@hookimpl
def calibench_methods() -> list[MethodSpec]:
    """The methods of every kind."""
    return [spec for kind in KINDS for spec in specs_in(f"calibench_methods.{kind}", MethodSpec)]


@hookimpl
def calibench_ood_scores() -> list[OodScoreSpec]:
    """The OOD scores of features."""
    return specs_in("calibench_methods.ood_scores", OodScoreSpec)


@hookimpl
def calibench_presets() -> list[PresetSpec]:
    """The presets: whole runs that a user starts by name."""
    return [
        PresetSpec(name=name, target=f"{__name__}:presets/{name}.toml", summary=summary)
        for name, summary in PRESETS.items()
    ]


@hookimpl
def calibench_suites() -> list[SuiteSpec]:
    """The suites: frozen protocols whose boards are compared."""
    return [
        SuiteSpec(name=name, target=f"{__name__}:suites/{name}.toml", summary=summary)
        for name, summary in SUITES.items()
    ]
