"""The calibrators of a map by their formulas, for numpy, torch and ONNX alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench.config.grammar import who
from calibench.errors import InputError, RunError, blaming
from calibench.maps.check_rows import check_rows
from calibench.maps.document import MapDocument
from calibench.maps.stage_entries import Stages
from calibench.outputs.outputs import Outputs
from calibench.recipe.absent_classes import KEPT
from calibench.stages import Calibrator, NoFormulaError, Scores
from calibench.stages.build import build_stage
from calibench.stages.numpy_ops import NumpyOps

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST = 1e-300
"""Kept classes: probabilities are raised to this before logarithms, as `evaluate --fit` does."""


class Formula:
    """The calibrators of a map in their order, each with its learned values."""

    def __init__(self, document: MapDocument, stages: Stages) -> None:
        self.document = document
        self.steps: list[tuple[str, Calibrator, dict[str, Any]]] = []
        for bound, entry in zip(stages.bound, document.stages, strict=True):
            if entry["kind"] == "calibrator":
                self.steps.append((who(bound), build_stage(bound), entry["fitted"]))

    def __call__(self, scores: Scores) -> Scores:
        """The calibrated scores; NoFormulaError naming a calibrator without a formula."""
        for name, calibrator, fitted in self.steps:
            before = scores
            scores = _by_formula(name, calibrator, before, fitted)
            if KEPT in fitted:
                scores = _with_kept(before, scores, fitted[KEPT])
        return scores

    def require(self, form: str) -> None:
        """InputError naming the calibrator that keeps the map from `form`, as `an ONNX graph`."""
        missing = self.missing
        if missing:
            raise InputError(f"{missing}, so the map cannot be {form}", "use `calibench apply`, or another calibrator")

    @property
    def missing(self) -> str:
        """The reason why the map has no formula, or empty."""
        rows = check_rows(self.document)
        array = rows.array
        assert array is not None
        try:
            self(Scores(NumpyOps(), array, self.document.classes, self.document.scores == "probs"))
        except NoFormulaError as error:
            return str(error)
        return ""


def _by_formula(name: str, calibrator: Calibrator, scores: Scores, fitted: dict[str, Any]) -> Scores:
    """The formula of one calibrator; its own errors become a RunError that names it."""
    reason = ""
    with blaming(name):
        try:
            return calibrator.formula(scores, fitted)
        except NoFormulaError as error:
            reason = str(error)
    raise NoFormulaError(f"{name} {reason}")


def _with_kept(before: Scores, after: Scores, classes: list[int]) -> Scores:
    """`calibench.recipe.absent_classes.with_probabilities_of` by the operations of the scores."""
    ops = before.ops
    kept = ops.positive(ops.constant([[1.0 if place in classes else 0.0 for place in range(before.classes)]]))
    old, new = before.probs(), after.log_probs()
    share = ops.least(ops.total(ops.where(kept, old, 0.0)), 1.0)
    others = ops.log_softmax(ops.where(kept, float("-inf"), new)) + ops.log(ops.greatest(1 - share, LEAST))
    scores = ops.where(kept, ops.log(ops.greatest(old, LEAST)), others)
    return after.as_probs(ops.exp(scores)) if after.from_probs else after.as_logits(scores)


class NumpyMap:
    """The formula by numpy. Constants are built once, and threads may share the object."""

    def __init__(self, formula: Formula) -> None:
        """NoFormulaError for a map without one."""
        self.formula = formula
        self._constants: list[Any] = []
        self.probs(check_rows(formula.document))  # fills the constants before another thread can see them

    def probs(self, outputs: Outputs) -> NDArray[Any]:
        """The calibrated probabilities `[N, K]`, or `[N, Q]` if a sample has Q labels, in float64."""
        import numpy as np

        array, document = outputs.array, self.formula.document
        assert array is not None  # the outputs of a map are an array
        ops = NumpyOps(self._constants)
        scores = Scores(ops, array.astype(np.float64), outputs.num_classes, outputs.from_probs)
        probs: NDArray[Any] = np.asarray(self.formula(scores).probs())
        if not np.isfinite(probs).all():
            raise RunError(f"{document.recipe} gave probabilities that are not finite", "check the scores")
        if document.labels_per_sample == 1:
            return probs
        return probs[:, 1].reshape(-1, document.labels_per_sample)
