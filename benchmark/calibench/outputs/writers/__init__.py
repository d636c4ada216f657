"""Writers of predicted rows, one format a file: `PredictedRows` holds the rows, `write.py` picks the writer by a file's ending."""

from calibench.outputs.writers.predicted_rows import PredictedRows
from calibench.outputs.writers.write import checked_output, write_rows

__all__ = ["PredictedRows", "checked_output", "write_rows"]
