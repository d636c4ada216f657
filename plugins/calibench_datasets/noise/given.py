"""`given`: training labels from a file, such as those that people gave to CIFAR-10 (CIFAR-10N)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import REQUIRED, InputError, NoiseSpec, Param
from calibench.data.numpy_files import read_npz
from calibench.errors import did_you_mean
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEC = NoiseSpec(
    name="given",
    target=f"{__name__}:given",
    summary="Training labels from an .npz file, in the order of the dataset's own rows, as people or a crowd gave them.",
    params=(
        Param("path", "path", REQUIRED, "an .npz file with an array of class indices [N]"),
        Param("key", "str", None, "the array in it; not set: the only one"),
    ),
    needs=("ids",),
    paper="J. Wei et al., Learning with Noisy Labels Revisited, ICLR 2022 (arXiv 2110.12088), for CIFAR-N",
)


def given(
    labels: NDArray[np.int64],
    num_classes: int,
    generator: np.random.Generator,
    ids: NDArray[np.int64],
    path: str,
    key: str | None,
) -> NDArray[np.int64]:
    """Label `file[key][i]` for the row that is number i of the dataset's own training array; nothing is drawn.

    Raises InputError where the file has no such array, or one that is not a whole number for each row.
    """
    arrays = read_npz(path)
    if key is None and len(arrays) != 1:
        message = f"noise given: {path} holds {len(arrays)} arrays"
        raise InputError(message, f"say which: key={' or '.join(arrays) or 'NAME'}")
    name = next(iter(arrays)) if key is None else key
    if name not in arrays:
        raise InputError(f"noise given: {path} has no array {name!r}", did_you_mean(name, arrays))
    wrong = arrays[name]
    if wrong.ndim != 1 or wrong.dtype.kind not in "iu":
        message = f"noise given: array {name!r} has shape {list(wrong.shape)} and type {wrong.dtype}"
        raise InputError(message, "one whole number for each row of the training array")
    if len(wrong) <= ids.max():
        message = (
            f"noise given: array {name!r} has {len(wrong)} labels, the training array at least {ids.max() + 1} rows"
        )
        raise InputError(message, "labels stand in the order of the dataset's own rows, held-out ones too")
    outside = (wrong < 0) | (wrong >= num_classes)
    if outside.any():
        row = int(np.argmax(outside))
        raise InputError(
            f"noise given: label {row} of {name!r} is {wrong[row]}", f"classes run from 0 to {num_classes - 1}"
        )
    return wrong[ids].astype(np.int64)
