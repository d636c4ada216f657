"""CalibrationMap: a fitted recipe of calibrators and a decision rule, which maps the scores of new rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError, blaming
from calibench.evaluation.cross_fit import Samples
from calibench.evaluation.fit import InOrder
from calibench.evaluation.names_given import names_given
from calibench.lazy import np
from calibench.maps.check_rows import differing_versions, refuse_other_meaning
from calibench.maps.class_order import in_map_order, order_by_name
from calibench.maps.document import MapDocument, read_document
from calibench.maps.formula_path import Formula, NumpyMap
from calibench.maps.scores import checked_outputs, refuse_other_outputs, score_array
from calibench.maps.stage_entries import Stages, stages_of
from calibench.outputs.decisions import Decisions
from calibench.outputs.named_decisions import NamedDecisions, named_decisions, reordered
from calibench.outputs.outputs import Outputs
from calibench.records.environment import versions
from calibench.stages import NoFormulaError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibench.maps.chain import Chain
    from calibench.maps.sklearn_estimator import SklearnMap
    from calibench.maps.torch_module import TorchMap


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

        The formulas of calibench's calibrators are computed by numpy, without torch. A map that depends on the other rows, as
        `prior-correction` without `prior`, and a plugin's without a formula, are computed by torch on all rows together.

        Raises InputError for scores of another shape or kind, and for other classes.
        """
        array, order = self._ordered(scores, class_names)
        mapped = self._probabilities(checked_outputs(self.document, array))
        return reordered(mapped, order).reshape(np.shape(scores) if array.shape[0] == 1 else mapped.shape)

    def decide(self, scores: Any, class_names: Sequence[str] | None = None) -> NamedDecisions:
        """The rule's answers, abstentions and sets for `scores`, which are as in `probs`; imports torch.

        Class indices are places among the columns of `scores`. The same scores get the same answers, also by a rule that draws
        at random. Raises InputError as `probs`.
        """
        array, order = self._ordered(scores, class_names)
        with self.chain.drawing():
            outputs, decisions = self.chain.judged(checked_outputs(self.document, array))
        names = self.class_names if class_names is None else names_given(class_names)
        return named_decisions(outputs, decisions, order, names)

    def judged(self, outputs: Outputs, where: str = "the outputs") -> tuple[Outputs, Decisions | None]:
        """Outputs as `calibench evaluate --fit` judges them after the fit, and the rule's decisions (None without a rule).

        InputError unless they have the map's kind of scores, classes and labels a sample.
        """
        refuse_other_outputs(self.document, outputs, where)
        with self.chain.drawing():
            return self.chain.judged(outputs)

    def in_order(
        self,
        samples: Samples,
        names: tuple[str, ...] | None,
        soft: NDArray[Any] | None = None,
        where: str = "evaluate(...)",
    ) -> InOrder:
        """Labelled samples, whose columns are called `names`, with their classes in the map's order; `soft` are shares of labels.

        InputError that lists both if the names are others; `where` names the samples in it.
        """
        return in_map_order(samples, names, self.class_names, where, soft)

    def _ordered(self, scores: Any, class_names: Sequence[str] | None) -> tuple[NDArray[Any], list[int] | None]:
        """Scores with the columns in the map's order, and the order."""
        array, names = score_array(scores), names_given(class_names)
        if names is None:
            return array, None
        if self.class_names is None:
            raise InputError("class_names would do nothing: the map has none", "leave them out")
        if array.ndim == 2 and len(names) != array.shape[1]:
            raise InputError(f"{len(names)} class_names for {array.shape[1]} columns", "give one a column")
        order, _ = order_by_name(names, self.class_names, "class_names")
        return (array if order is None else array[:, order]), order

    def _probabilities(self, outputs: Outputs) -> NDArray[np.float64]:
        """The probabilities by numpy, or by torch for a map without a formula."""
        if self.by_numpy is not None:
            return self.by_numpy.probs(outputs)
        from calibench.maps.chain import tensor_outputs
        from calibench.outputs.several_labels import probabilities

        with self.chain.drawing():
            mapped, _ = self.chain.posthoc.judged(tensor_outputs(outputs), decide=False)
        return probabilities(mapped)

    @cached_property
    def formula(self) -> Formula:
        """The calibrators as formulas; see `calibench.stages.Calibrator.formula`."""
        return Formula(self.document, self.stages)

    @cached_property
    def by_numpy(self) -> NumpyMap | None:
        """The probabilities by numpy, equal to those of `chain` to 1e-12; None for a map without a formula."""
        try:
            return NumpyMap(self.formula)
        except NoFormulaError:
            return None

    def to_torch(self) -> TorchMap:
        """The map as an `nn.Module`: `module(scores)` are the calibrated probabilities, and `module.decide(scores)` the answers.

        InputError for a map without a formula, such as one that estimates class shares from the rows.
        """
        from calibench.maps.torch_module import TorchMap

        return TorchMap(self)

    def to_sklearn(self, classes: Any = None, abstain: Any = None, before: Any = None) -> SklearnMap:
        """The map as a scikit-learn estimator on scores `[N, K]`, with `predict_proba` and `predict`.

        `classes` are the labels in the order of the columns; by default the class names, or 0 .. K - 1. `abstain` is the label
        of rows to which the rule gives no class. `before` is a fitted classifier, whose inputs the estimator then takes.
        """
        from calibench.maps.sklearn_estimator import SklearnMap

        if classes is not None and before is not None:
            raise InputError("the classifier has classes of its own", "leave out classes, or before")
        return SklearnMap(self, classes, abstain, before)

    def to_onnx(self, path: str | Path) -> None:
        """Write the map as an ONNX graph: `scores` float32 `[N, K]` to `probs` float32 `[N, K]`, computed in float64.

        InputError for a map with a decision rule or without a formula, and if the package onnx is not installed.
        """
        from calibench.maps.onnx_export import write_onnx

        write_onnx(self, path)

    def snippet(self) -> str:
        """Lines of numpy that do what `probs` does, to paste; InputError for maps that would be long."""
        from calibench.maps.snippet import snippet_of

        with blaming(f"the snippet of {self.recipe}"):
            return snippet_of(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> CalibrationMap:
        return self  # nothing in it changes

    def __reduce__(self) -> tuple[Any, ...]:
        return CalibrationMap, (self.document, self.where)


def load_map(path: str | Path) -> CalibrationMap:
    """The calibration map in a JSON file that `calibench fit` or `CalibrationMap.save` wrote.

    A map of other versions of calibench or of a plugin is read if they give its check rows the same values to 1e-9.
    Raises InputError for a file that is no map, that was changed, of another schema version, or of methods that are not here.
    """
    return CalibrationMap(read_document(path), str(path))
