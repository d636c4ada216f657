"""`given`: training labels from a file, such as people's labels of CIFAR-10 (CIFAR-10N)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench import REQUIRED, InputError, NoiseSpec, Param
from calibench.data.numpy_files import read_npz
from calibench.errors import did_you_mean
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEC = NoiseSpec(
    name="given",
    target=f"{__name__}:given",
    summary="Training labels from an .npz file, in the order of the dataset's own rows, such as those of a crowd.",
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
    """The label of row i of the dataset's own training array becomes `file[key][i]`; nothing is drawn.

    InputError if the file has no such array, or if the array does not have a class index for each row.
    """
    arrays = read_npz(path)
    if key is None and len(arrays) != 1:
        message = f"noise given: {path} holds {len(arrays)} arrays"
        raise InputError(message, f"say which: key={' or '.join(arrays) or 'NAME'}")
    name = next(iter(arrays)) if key is None else key
    if name not in arrays:
        raise InputError(f"noise given: {path} has no array {name!r}", did_you_mean(name, arrays))
    _check(arrays[name], name, int(ids.max()) + 1, num_classes)
    return arrays[name][ids].astype(np.int64)


def _check(noisy: NDArray[Any], name: str, rows: int, num_classes: int) -> None:
    """InputError unless `noisy` has at least `rows` class indices."""
    where = f"noise given: array {name!r}"
    if noisy.ndim != 1 or noisy.dtype.kind not in "iu":
        message = f"{where} has shape {list(noisy.shape)} and type {noisy.dtype}"
        raise InputError(message, "one whole number for each row of the training array")
    if len(noisy) < rows:
        message = f"{where} has {len(noisy)} labels, the training array at least {rows} rows"
        raise InputError(message, "give labels in the order of the dataset's own rows, also for held-out rows")
    outside = (noisy < 0) | (noisy >= num_classes)
    if outside.any():
        row = int(np.argmax(outside))
        message = f"noise given: label {row} of {name!r} is {noisy[row]}"
        raise InputError(message, f"classes run from 0 to {num_classes - 1}")
