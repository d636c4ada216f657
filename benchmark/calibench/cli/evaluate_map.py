"""`calibench evaluate FILE --map MAP.json`: a file's samples with their classes in the order of a map."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from calibench.errors import InputError

if TYPE_CHECKING:
    from calibench.maps.calibration_map import CalibrationMap
    from calibench.outputs.readers import SamplesFile


def in_order_of_map(file: SamplesFile, fitted: CalibrationMap) -> SamplesFile:
    """The samples of a file for the map. InputError for the file that the map was fitted on, and for other classes."""
    from calibench.atomic import digest_of
    from calibench.outputs.readers import local_file

    if digest_of(local_file(file.path)) == fitted.document.fitted_on.get("sha256"):
        message = f"the map was fitted on {file.path}, and a map must be judged on samples it has not seen"
        raise InputError(message, "judge another file")
    (outputs, labels), names, soft, note = fitted.in_order(file.samples, file.class_names, file.soft, file.path)
    notes = (*file.notes, note) if note else file.notes
    return dataclasses.replace(file, outputs=outputs, labels=labels, class_names=names, soft=soft, notes=notes)
