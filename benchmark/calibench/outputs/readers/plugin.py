"""Registers the readers: every `SPEC` in `formats/` and `tools/`."""

from calibench.plugins.hookspecs import hookimpl
from calibench.plugins.kit import specs_in
from calibench.plugins.specs import ReaderSpec


@hookimpl
def calibench_readers() -> list[ReaderSpec]:
    """Arrays, tables and JSON, and what evaluation harnesses and training libraries write."""
    return [
        *specs_in("calibench.outputs.readers.formats", ReaderSpec),
        *specs_in("calibench.outputs.readers.tools", ReaderSpec),
    ]
