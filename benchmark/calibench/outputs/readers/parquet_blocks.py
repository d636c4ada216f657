"""A `.parquet` of outputs, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calibench.data.numpy_files import existing_file
from calibench.errors import InputError
from calibench.outputs.columns import Columns
from calibench.outputs.readers.arrow_columns import column_arrays
from calibench.outputs.readers.block_file import BlockFile, refuse_several_labels
from calibench.outputs.readers.formats.parquet import DAMAGED, HINT, pyarrow_parquet
from calibench.outputs.readers.table import columns_by_name, refuse_equal_names, samples_from_block

BUFFER = 1 << 16
"""Bytes of each column that are read ahead; without a buffer a whole row group is."""


class ParquetFile(BlockFile):
    """The columns of scores and the column of labels in a Parquet file."""

    def __init__(self, path: str | Path, columns: Columns) -> None:
        """Raises InputError if the file cannot be read, or lacks a column."""
        self.path, self.columns, self.where = existing_file(path), columns, str(path)
        pyarrow = pyarrow_parquet()
        try:
            metadata = pyarrow.parquet.read_metadata(self.path)
            names = metadata.schema.to_arrow_schema().names
        except (*DAMAGED, pyarrow.ArrowException) as error:
            raise InputError(f"cannot read {path}: {error}", HINT) from None
        refuse_equal_names(names, self.path)
        chosen, self._labels = columns_by_name(path, dict.fromkeys(names), columns)
        self._scores = chosen.names
        if len(self._labels) > 1:
            refuse_several_labels(self.where)
        self.rows, self.classes = metadata.num_rows, len(self._scores)
        self.from_probs, self.score_bytes = chosen.from_probs is not False, 8 * self.rows * self.classes
        if self.classes < 2:
            hint = "give one column per class; for a binary probability p store [1 - p, p]"
            raise InputError(f"{path}: scores have one class ({self._scores[0]})", hint)
        if not self.rows:
            raise InputError(f"{path}: there are no rows", "give at least one sample")

    def raw_blocks(self, size: int) -> Iterator[tuple[Any, Any]]:
        """Batches of `size` rows, the last one shorter, also where row groups end in between."""
        pyarrow, first = pyarrow_parquet(), 0
        try:
            with pyarrow.parquet.ParquetFile(self.path, buffer_size=BUFFER, pre_buffer=False) as file:
                for batch in self._even(file.iter_batches(size, columns=[*self._scores, *self._labels]), size, pyarrow):
                    table = column_arrays(batch, self.path, first)
                    samples = samples_from_block(self.where, table, self._scores, self._labels[0], self.columns, first)
                    assert samples.labels is not None
                    yield samples.scores, samples.labels
                    first += batch.num_rows
        except (*DAMAGED, pyarrow.ArrowException) as error:
            raise InputError(f"cannot read {self.where}: {error}", HINT) from None

    @staticmethod
    def _even(batches: Iterator[Any], size: int, pyarrow: Any) -> Iterator[Any]:
        """Tables of `size` rows; pyarrow may end a batch earlier."""
        waiting = None
        for batch in batches:
            table = pyarrow.Table.from_batches([batch])
            waiting = table if waiting is None else pyarrow.concat_tables([waiting, table])
            while waiting.num_rows >= size:
                yield waiting.slice(0, size)
                waiting = waiting.slice(size)
        if waiting is not None and waiting.num_rows:
            yield waiting
