"""A fit for stored outputs: post-hoc stages on other samples, or cross-fitted on the judged samples themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from calibench.config.resolve import resolve_chain
from calibench.errors import InputError
from calibench.evaluation.cross_fit import Samples, cross_fitted, fold_of
from calibench.evaluation.fit_samples import check_fit_samples
from calibench.outputs.arrays import as_array
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs
from calibench.outputs.stored_outputs import tensors_of
from calibench.seeds import seeded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibench.recipe.posthoc import PostHoc

AUTO = "auto"
"""The recipe that stands for the map that the advice names."""


class AfterFit(NamedTuple):
    """The judged outputs after a fit, the rule's decisions, and the entry `fit` of the record."""

    outputs: Outputs
    decisions: Decisions | None
    learned: dict[str, Any]


class InOrder(NamedTuple):
    """Samples with their classes in the order of a map, with names, shares `[N, K]` of labels, and a note or an empty text."""

    samples: Samples
    class_names: tuple[str, ...] | None
    soft: NDArray[Any] | None
    note: str


class FittedMap(Protocol):
    """A recipe that was fitted earlier, such as a `calibench.CalibrationMap`."""

    @property
    def recipe(self) -> str:
        """Its calibrators and decision rule."""
        ...

    def in_order(self, samples: Samples, names: tuple[str, ...] | None, soft: NDArray[Any] | None = None) -> InOrder:
        """The samples with their classes in the order of the map, matched by name; InputError for other names."""
        ...

    def judged(self, outputs: Outputs) -> tuple[Outputs, Decisions | None]:
        """The calibrated outputs and the rule's decisions; InputError for outputs that it cannot take."""
        ...


def check_fit(
    recipe: str | None,
    fit_samples: Samples | None,
    folds: int | None,
    samples: Samples,
    class_names: tuple[str, ...] = (),
) -> None:
    """InputError unless there is a recipe, stages that stored outputs can have, and samples to fit them on if they need any."""
    if fit_samples is not None and folds is not None:
        raise InputError("--cross-fit fits inside one file, and there are samples to fit on", "give one of the two")
    if recipe is None:
        if fit_samples is not None or folds is not None:
            what = "folds" if folds is not None else "samples to fit on"
            raise InputError(f"there are {what} and nothing to fit", "add --fit auto, or leave them out")
        return
    if fit_samples is not None:
        check_fit_samples(fit_samples, samples)
    if folds is not None:
        fold_of(as_array(samples[1]), folds, samples[0].labels_per_sample)
    if recipe == AUTO:
        if fit_samples is None and folds is None:
            raise InputError("fit auto needs samples to fit on", _HINT)
        return
    chain = _chain(recipe, samples[0], class_names)
    if fit_samples is None and folds is None and chain.needs_fit:
        raise InputError(f"fit {recipe} needs samples to fit on", _HINT)
    if not chain.needs_fit and (fit_samples is not None or folds is not None):
        option = "--fit-on" if folds is None else "--cross-fit"
        raise InputError(f"{recipe} fits nothing, so the samples to fit on would do nothing", f"leave out {option}")
    if folds is not None and chain.rule is not None:
        message = f"fit {recipe} ends in a decision rule, and each fold would have a rule of its own"
        raise InputError(message, "give --fit-on VALFILE, or cross-fit the calibrators alone")


_HINT = "give --fit-on VALFILE, other samples than those judged, or --cross-fit 5"


def apply_fit(
    recipe: str,
    fit_samples: Samples | None,
    folds: int | None,
    samples: Samples,
    seed: int,
    class_names: tuple[str, ...] = (),
) -> AfterFit:
    """The outcome of the stages of `recipe`, fitted on `fit_samples`, or cross-fitted in `folds`."""
    outputs, labels = samples
    if folds is not None:
        stages = resolve_chain(recipe, ("calibrator",), f"fit {recipe}")
        fold = fold_of(as_array(labels), folds, outputs.labels_per_sample, seed)
        learned = {"recipe": recipe, "cross_fit": folds, "n": len(fold)}
        return AfterFit(cross_fitted(stages, samples, fold, seed), None, learned)
    chain = _chain(recipe, outputs, class_names)
    with seeded(seed):
        entries = [] if fit_samples is None else chain.fit(*tensors_of(*fit_samples))
        calibrated, decisions = chain.judged(tensors_of(outputs, labels)[0])
        learned = {"recipe": recipe, **_learned(chain.with_adapted(entries))}
        if fit_samples is not None:
            learned["n"] = len(fit_samples[0]) // fit_samples[0].labels_per_sample
    return AfterFit(calibrated, decisions, learned)


def _chain(recipe: str, outputs: Outputs, class_names: tuple[str, ...]) -> PostHoc:
    from calibench.recipe.posthoc import PostHoc

    stages = resolve_chain(recipe, ("calibrator", "decision"), f"fit {recipe}")
    return PostHoc(stages, outputs.num_classes, outputs.labels_per_sample, class_names=class_names)


def _learned(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The values of every stage in one dictionary; a name that two stages share is `stage.name` for the second."""
    learned: dict[str, Any] = {}
    for entry in entries:
        name = entry.pop("stage")
        learned |= {key if key not in learned else f"{name}.{key}": value for key, value in entry.items()}
    return learned
