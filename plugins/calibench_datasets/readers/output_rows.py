"""From a classifier's stored outputs to the arrays of a run: logits as rows, and a last layer that leaves them as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench import Arrays
from calibench.lazy import np
from calibench.outputs.outputs import PROBABILITY_FLOOR

if TYPE_CHECKING:
    from numpy.typing import NDArray

Pair = tuple["NDArray[Any]", "NDArray[Any]"]

NOTE = "stored outputs: train and val repeat cal, and nothing is trained"


def log_probabilities(probs: NDArray[Any]) -> NDArray[np.float64]:
    """`log(max(p, 1e-30))`, the logits that give back the probabilities."""
    return np.asarray(np.log(np.maximum(probs, PROBABILITY_FLOOR)))


def output_rows(
    cal: Pair, test: Pair, names: tuple[str, ...] = (), notes: tuple[str, ...] = (), group: str = ""
) -> Arrays:
    """`Arrays` of logits `[N, K]` and labels to fit maps on (`cal`) and to judge (`test`), for the model `frozen`.

    `group` names the data that the outputs are of.
    """
    classes = test[0].shape[1]
    return Arrays(
        x=cal[0],
        y=cal[1],
        val=cal,
        cal=cal,
        test=test,
        head_weight=np.eye(classes, dtype=np.float32),
        head_bias=np.zeros(classes, dtype=np.float32),
        notes=(NOTE, *notes),
        repeats="allow",
        class_names=names,
        group=group,
    )
