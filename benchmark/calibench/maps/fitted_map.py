"""FittedMap: what the forms of a map (torch, scikit-learn, ONNX, a snippet) need of a `CalibrationMap`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from calibench.maps.document import MapDocument
from calibench.maps.formula_path import Formula
from calibench.outputs.named_decisions import NamedDecisions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class FittedMap(Protocol):
    """The part of `CalibrationMap` from which its forms are made."""

    document: MapDocument

    @property
    def recipe(self) -> str:
        """The calibrators and the decision rule."""
        ...

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names of the classes, if there are any."""
        ...

    @property
    def has_rule(self) -> bool:
        """True if the recipe ends in a decision rule."""
        ...

    @property
    def formula(self) -> Formula:
        """The calibrators as formulas."""
        ...

    def probs(self, scores: Any, class_names: Sequence[str] | None = None) -> NDArray[np.float64]:
        """The calibrated probabilities."""
        ...

    def decide(self, scores: Any, class_names: Sequence[str] | None = None) -> NamedDecisions:
        """The answers of the rule."""
        ...
