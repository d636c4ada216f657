"""Write predicted rows to an `.npz`, probabilities a block of rows at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from calibench.lazy import np
from calibench.outputs.writers.predicted_rows import PredictedRows

if TYPE_CHECKING:
    from numpy.typing import NDArray


def write_npz(path: Path, blocks: Iterator[PredictedRows], rows: int) -> None:
    """Write `rows` rows. Of the blocks, probabilities go straight to the file; all other arrays are kept until the end."""
    kept: dict[str, list[NDArray[Any]]] = {}
    names: NDArray[Any] | None = None
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        with archive.open("probs.npy", "w", force_zip64=True) as member:
            started = False
            for block in blocks:
                arrays = block.arrays()
                probs = np.ascontiguousarray(arrays.pop("probs"))
                if not started:
                    _header(cast(BinaryIO, member), rows, probs)
                    started = True
                member.write(probs.tobytes())
                names = arrays.pop("class_names", None)
                for name, array in arrays.items():
                    kept.setdefault(name, []).append(array)
        whole = {name: np.concatenate(parts) for name, parts in kept.items()}
        if names is not None:
            whole["class_names"] = names
        for name, array in whole.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(cast(BinaryIO, member), _storable(array), allow_pickle=False)


def _header(member: BinaryIO, rows: int, probs: NDArray[Any]) -> None:
    header = {"descr": probs.dtype.str, "fortran_order": False, "shape": (rows, *probs.shape[1:])}
    np.lib.format.write_array_header_2_0(member, header)


def _storable(array: NDArray[Any]) -> NDArray[Any]:
    """The array, with objects as text, because an `.npz` holds objects by pickle alone."""
    return array.astype(np.str_) if array.dtype.kind == "O" else array
