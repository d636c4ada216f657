"""Class names: the columns of scores in the order of a map's classes, matched by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.evaluation.cross_fit import Samples
from calibench.evaluation.fit import InOrder
from calibench.lazy import np
from calibench.outputs.arrays import as_array
from calibench.outputs.outputs import Outputs
from calibench.outputs.roles.class_names import ClassNames
from calibench.outputs.stored_outputs import StoredOutputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

POSITIONS = "class names are missing {where}: columns were taken by position"


def order_by_name(
    names: Sequence[str] | None, wanted: Sequence[str] | None, where: str
) -> tuple[list[int] | None, str]:
    """The places of the classes `wanted` among `names` (None: as they stand), and a note where positions were taken.

    InputError that lists both if the names are others.
    """
    if wanted is None and names is None:
        return None, ""
    if names is None or wanted is None:
        return None, POSITIONS.format(where=f"in {where}" if names is None else "in the map")
    order = ClassNames(tuple(wanted)).order_of(ClassNames(tuple(names)))
    if order is None:
        message = f"{where} has the classes {_listed(names)}, and the map was fitted on {_listed(wanted)}"
        only = sorted(set(wanted) ^ set(names))
        raise InputError(message, f"give outputs of the same classifier, or rename the columns: {_listed(only)} differ")
    if order == sorted(order):
        return None, ""
    return order, f"{where} has the classes in another order: matched by name"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:20])
    return shown if len(names) <= 20 else f"{shown} and {len(names) - 20} more"


def with_order(outputs: Outputs, order: list[int] | None) -> Outputs:
    """Outputs with the columns in the map's order."""
    if order is None:
        return outputs
    array = outputs.array
    assert array is not None
    per_sample = outputs.labels_per_sample
    if per_sample == 1:
        return StoredOutputs(np.ascontiguousarray(array[:, order]), outputs.from_probs)
    rows = array.reshape(-1, per_sample, array.shape[1])[:, order]
    return StoredOutputs(np.ascontiguousarray(rows).reshape(array.shape), outputs.from_probs, per_sample)


def in_map_order(
    samples: Samples,
    names: Sequence[str] | None,
    wanted: Sequence[str] | None,
    where: str,
    soft: NDArray[Any] | None = None,
) -> InOrder:
    """The samples, whose columns are called `names`, with the classes in the order `wanted`, and a note as of `order_by_name`."""
    order, note = order_by_name(names, wanted, where)
    named = names if wanted is None else wanted
    found = InOrder(samples, None if named is None else tuple(named), soft, note)
    if order is None:
        return found
    outputs, labels = samples
    truth = as_array(labels)
    if outputs.labels_per_sample > 1:
        rows = truth.reshape(-1, outputs.labels_per_sample)[:, order]
        moved = np.ascontiguousarray(rows).reshape(-1)
    else:
        moved = np.argsort(order)[truth]
    if (
        soft is not None and soft.ndim == 2 and soft.shape[1] == len(order)
    ):  # other shapes are refused where shares are checked
        soft = soft[:, order]
    return found._replace(samples=(with_order(outputs, order), moved), soft=soft)
