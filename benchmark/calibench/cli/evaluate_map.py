"""`calibench evaluate FILE --map MAP.json`: judge a file before and after a map that was fitted earlier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from calibench.cli.output import to_stderr
from calibench.errors import InputError

if TYPE_CHECKING:
    from calibench.evaluation.cross_fit import Samples
    from calibench.maps.calibration_map import CalibrationMap
    from calibench.outputs.readers import Columns


def read_for_map(map_file: Path | None, columns: Columns) -> tuple[CalibrationMap | None, Callable[[Path], Samples]]:
    """The map, and the function that reads a file to judge: with its classes in the map's order.

    InputError for the file that the map was fitted on, and for other classes.
    """
    from calibench.outputs.readers import read_outputs, read_samples

    if map_file is None:
        return None, lambda file: read_outputs(file, columns)
    from calibench.atomic import digest_of
    from calibench.maps.calibration_map import load_map
    from calibench.maps.class_order import in_map_order

    fitted = load_map(map_file)

    def read(file: Path) -> Samples:
        samples_file = read_samples(file, columns)
        if digest_of(file) == fitted.document.fitted_on.get("sha256"):
            message = f"{map_file} was fitted on {file}, and a map must be judged on samples it has not seen"
            raise InputError(message, "judge another file")
        samples, note = in_map_order(samples_file, fitted.class_names)
        if note:
            to_stderr(f"note: {note}")
        return samples

    return fitted, read
