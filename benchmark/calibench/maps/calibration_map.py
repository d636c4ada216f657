"""CalibrationMap: a fitted recipe of calibrators and a decision rule, which maps the scores of new rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.lazy import np
from calibench.maps.check_rows import differing_versions, refuse_other_meaning
from calibench.maps.class_order import order_by_name
from calibench.maps.document import MapDocument, read_document
from calibench.maps.scores import checked_outputs, refuse_other_outputs, score_array
from calibench.maps.stage_entries import Stages, stages_of
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import ABSTAIN, Outputs
from calibench.records.environment import versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibench.maps.chain import Chain


@dataclass(frozen=True)
class MapDecisions:
    """The answers of a map's rule to N rows; without a rule, the most probable class of each."""

    answers: NDArray[np.int64]
    """[N] a class, or -1 where the rule abstains; `[N, Q]` of 0 and 1 if a sample has Q labels."""
    sets: NDArray[np.bool_] | None = None
    """[N, K]: the classes that the rule does not rule out; None for a rule without sets."""
    class_names: tuple[str, ...] | None = None

    @property
    def abstained(self) -> NDArray[np.bool_]:
        """[N]: True where the rule gives no class."""
        mask: NDArray[np.bool_] = self.answers == ABSTAIN
        return mask

    def names(self) -> list[str | None]:
        """The class name of each answer, None for an abstention. InputError for a map without names."""
        if self.class_names is None or self.answers.ndim == 2:
            raise InputError("the map has no names of classes to answer with", "use `answers`, the class indices")
        return [None if answer == ABSTAIN else self.class_names[answer] for answer in self.answers.tolist()]


class CalibrationMap:
    """A map that was fitted once and maps the scores of any rows; `calibench.fit_map` and `calibench.load_map` make one."""

    def __init__(self, document: MapDocument, where: str = "the map") -> None:
        """InputError if this installation has not the methods of the map, or gives it another meaning."""
        self.document, self.where = document, where
        self.stages: Stages = stages_of(document, where)
        distributions = [str(stage["plugin"].get("distribution")) for stage in document.stages]
        differing = differing_versions(document, versions(distributions))
        if differing:
            refuse_other_meaning(document, self.chain, differing, where)

    def __repr__(self) -> str:
        fitted_on = self.document.fitted_on
        return (
            f"<calibration map {self.recipe}, {self.document.classes} classes, fitted on {fitted_on.get('rows')} rows>"
        )

    @property
    def recipe(self) -> str:
        """The calibrators and the decision rule, as `temperature+threshold:value=0.8`."""
        return self.document.recipe

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names of the classes in the order of the columns; None if the map was fitted without names."""
        names = self.document.class_names
        return None if names is None else tuple(names)

    @property
    def has_rule(self) -> bool:
        """True if the recipe ends in a decision rule."""
        return any(stage["kind"] == "decision" for stage in self.document.stages)

    @cached_property
    def chain(self) -> Chain:
        """The stages as `calibench evaluate --fit` applies them; imports torch."""
        from calibench.maps.chain import Chain

        return Chain(self.document, self.stages)

    def save(self, path: str | Path) -> None:
        """Write the map as one JSON file, whole or not at all."""
        self.document.write(path)

    def probs(self, scores: Any, class_names: Sequence[str] | None = None) -> NDArray[np.float64]:
        """The calibrated probabilities `[N, K]` in float64 of `scores [N, K]` of the kind that the map was fitted on.

        A single row `[K]` gives `[K]`. For Q labels a sample, scores and probabilities are `[N, Q]`. `class_names` are those of
        the columns of `scores`, if they stand in another order than the map's; the result has their order.

        Raises InputError for scores of another shape or kind, and for other classes.
        """
        array, order = self._ordered(scores, class_names)
        mapped = self._probabilities(checked_outputs(self.document, array))
        return _reordered(mapped, order).reshape(np.shape(scores) if array.shape[0] == 1 else mapped.shape)

    def decide(self, scores: Any, class_names: Sequence[str] | None = None) -> MapDecisions:
        """The rule's answers, abstentions and sets for `scores`, which are as in `probs`; imports torch.

        Class indices are places among the columns of `scores`. The same scores get the same answers, also by a rule that draws
        at random. Raises InputError as `probs`.
        """
        array, order = self._ordered(scores, class_names)
        with self.chain.drawing():
            outputs, decisions = self.chain.judged(checked_outputs(self.document, array))
        names = self.class_names if class_names is None else tuple(class_names)
        return map_decisions(outputs, decisions, order, names)

    def judged(self, outputs: Outputs, where: str = "the outputs") -> tuple[Outputs, Decisions | None]:
        """Outputs as `calibench evaluate --fit` judges them after the fit, and the rule's decisions (None without a rule).

        InputError unless they have the map's kind of scores, classes and labels a sample.
        """
        refuse_other_outputs(self.document, outputs, where)
        with self.chain.drawing():
            return self.chain.judged(outputs)

    def _ordered(self, scores: Any, class_names: Sequence[str] | None) -> tuple[NDArray[Any], list[int] | None]:
        """Scores with the columns in the map's order, and the order."""
        array = score_array(scores)
        if class_names is None:
            return array, None
        if self.class_names is None:
            raise InputError("class_names would do nothing: the map has none", "leave them out")
        if array.ndim == 2 and len(class_names) != array.shape[1]:
            raise InputError(f"{len(class_names)} class_names for {array.shape[1]} columns", "give one a column")
        order, _ = order_by_name(class_names, self.class_names, "class_names")
        return (array if order is None else array[:, order]), order

    def _probabilities(self, outputs: Outputs) -> NDArray[np.float64]:
        from calibench.maps.chain import probabilities

        with self.chain.drawing():
            mapped, _ = self.chain.posthoc.judged(_tensors(outputs), decide=False)
        return probabilities(mapped)


def _tensors(outputs: Outputs) -> Outputs:
    from calibench.maps.chain import tensor_outputs

    return tensor_outputs(outputs)


def _reordered(columns: NDArray[Any], order: list[int] | None) -> NDArray[Any]:
    """Columns in the map's order, put back into the caller's."""
    if order is None:
        return columns
    back = np.empty_like(columns)
    back[:, order] = columns
    return back


def map_decisions(
    outputs: Outputs, decisions: Decisions | None, order: list[int] | None, names: tuple[str, ...] | None
) -> MapDecisions:
    """Decisions as arrays, with classes by their places in the caller's order."""
    answers = outputs.scores.argmax(dim=1) if decisions is None else decisions.answers
    array = answers.cpu().numpy().astype(np.int64)
    if outputs.labels_per_sample > 1:
        array = array.reshape(-1, outputs.labels_per_sample)
        return MapDecisions(_reordered(array, order), None, names)
    if order is not None:
        places = np.asarray([*order, ABSTAIN], dtype=np.int64)  # the last one is that of index -1
        array = places[array]
    sets = None if decisions is None or decisions.sets is None else _reordered(decisions.sets.cpu().numpy(), order)
    return MapDecisions(array, sets, names)


def load_map(path: str | Path) -> CalibrationMap:
    """The calibration map in a JSON file that `calibench fit` or `CalibrationMap.save` wrote.

    A map of other versions of calibench or of a plugin is read if they give its check rows the same values to 1e-9.
    Raises InputError for a file that is no map, that was changed, of another schema version, or of methods that are not here.
    """
    return CalibrationMap(read_document(path), str(path))
