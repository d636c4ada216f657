"""TopLabelOutputs: the confidence of each answer and whether it was right, and no other probability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.outputs.outputs import Outputs
from calibench.outputs.stored_outputs import StoredOutputs

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TopLabelOutputs(StoredOutputs):
    """Answers whose other classes are not known: scores `[N, 2]` are the confidence and the rest.

    The answer is column 0 also where its confidence is below 1/2, so the label of a right answer is 0 and of a wrong one 1.
    """

    top_label_only = True

    def __init__(self, array: NDArray[Any]) -> None:
        """`array [N, 2]` holds confidences and one minus them."""
        super().__init__(array, from_probs=True)


def refuse_top_label(outputs: Outputs, what: str) -> None:
    """InputError if only the confidence of each answer is known: `what` needs more."""
    if outputs.top_label_only:
        message = f"{what} needs the probabilities of all classes, and only the confidence of each answer is here"
        raise InputError(message, "store one column per class")
