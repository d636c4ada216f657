"""Readers of stored outputs: one format a file in `formats/`, one tool's output a file in `tools/`.

`read.py` reads a file whole: `choose.py` finds its reader, which returns named arrays, and `calibench.outputs.roles` finds scores,
labels and names among them. `open_blocks.py` opens a file that is larger than memory, a `BlockFile`, whose rows are read a block
at a time.
"""

from calibench.outputs.columns import Columns
from calibench.outputs.readers.aligned import aligned
from calibench.outputs.readers.block_file import BlockFile
from calibench.outputs.readers.open_blocks import open_blocks
from calibench.outputs.readers.read import read_members, read_outputs, read_samples, read_soft
from calibench.outputs.readers.samples_file import SamplesFile
from calibench.outputs.readers.standard_input import local_file
from calibench.outputs.readers.unread import warn_of, warn_of_unread

__all__ = [
    "BlockFile",
    "Columns",
    "SamplesFile",
    "aligned",
    "local_file",
    "open_blocks",
    "read_members",
    "read_outputs",
    "read_samples",
    "read_soft",
    "warn_of",
    "warn_of_unread",
]
