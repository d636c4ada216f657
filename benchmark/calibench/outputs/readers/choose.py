"""Choose the reader of a file: by its ending and its first bytes, or by the user's word."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from calibench.config.grammar import Bound, bind, parse_piece
from calibench.errors import InputError, did_you_mean
from calibench.outputs.readers.plugin import calibench_readers
from calibench.plugins.specs import ReaderSpec

BINARY = (b"PK\x03\x04", b"\x89HDF", b"PAR1", b"ARROW1", b"\x93NUMPY")
"""How files begin that are no text."""

PACKED = {".gz": "gunzip", ".zip": "unzip", ".bz2": "bunzip2", ".xz": "unxz", ".zst": "unzstd", ".7z": "7z x"}
"""Endings of packed files, and the command that unpacks them."""

HEAD = 1 << 16
"""Bytes at the start of a file that its kind is told by."""


@functools.cache
def own_readers() -> tuple[ReaderSpec, ...]:
    """The readers of calibench itself, for which no plugin is looked up."""
    return tuple(calibench_readers())


def all_readers() -> tuple[ReaderSpec, ...]:
    """Every reader; those of plugins come last."""
    from calibench.plugins.discovery import registry

    own = own_readers()
    names = {spec.name for spec in own}
    added = [entry.spec for entry in registry("reader").all("reader")]
    return (*own, *(spec for spec in added if isinstance(spec, ReaderSpec) and spec.name not in names))


def reader_of(path: Path, words: str | None = None, shown: object = None) -> Bound:
    """The reader of a file that exists, with its parameters; `words` are the user's, as `h5:group=adult`.

    `shown` is the file's name in messages. Raises InputError for an unknown format.
    """
    if words is not None:
        piece = parse_piece(words)
        found = next((spec for spec in all_readers() if spec.name == piece.name), None)
        if found is None:
            hint = did_you_mean(piece.name, [spec.name for spec in all_readers()])
            raise InputError(f"there is no reader {piece.name!r}", hint)
        return bind(found, piece.values)
    with path.open("rb") as file:
        head = file.read(HEAD)
    spec = _by_ending(path.name.lower(), head, own_readers()) or _by_ending(path.name.lower(), head, all_readers())
    if spec is None and not path.suffix:
        spec = by_content(head)
    other = None if spec is None or head.lstrip().startswith(spec.starts) else _binary(head)
    if spec is not None and spec.starts and spec.name != "npz" and other not in (None, spec):
        message = (
            f"{path if shown is None else shown}: it has the ending of {spec.name}, and begins as {other.name} does"
        )
        raise InputError(message, f"--format {other.name} reads it so; give it its own ending")
    if spec is None:
        endings = sorted({ending for spec in all_readers() for ending in spec.suffixes})
        message = f"{path if shown is None else shown}: cannot read files of type {path.suffix or 'unknown'!r}"
        raise InputError(message, _hint(path, head, f"use {', '.join(endings[:-1])} or {endings[-1]}"))
    return bind(spec, ())


def _binary(head: bytes) -> ReaderSpec | None:
    """The reader of a file that begins as no text does."""
    return by_content(head) if head.startswith(BINARY) else None


def _hint(path: Path, head: bytes, endings: str) -> str:
    """What to do with a file whose ending tells nothing."""
    if path.suffix.lower() in PACKED:
        return f"unpack it: {PACKED[path.suffix.lower()]} FILE; a table of text is also read as .csv.gz"
    found = by_content(head)
    if found is not None:
        return f"it begins as {found.name} does: --format {found.name} reads it so"
    return endings if path.suffix else f"{endings}, or say what it is: --format NAME"


def _by_ending(name: str, head: bytes, specs: Sequence[ReaderSpec]) -> ReaderSpec | None:
    named = [spec for spec in specs if name.endswith(spec.suffixes)]
    fitting = [spec for spec in named if _has_marks(head, spec)] or named[: len(named) == 1]
    longest = {spec: max(len(ending) for ending in spec.suffixes if name.endswith(ending)) for spec in fitting}
    return max(fitting, key=lambda spec: (longest[spec], len(spec.marks)), default=None)


def _has_marks(head: bytes, spec: ReaderSpec) -> bool:
    return all(mark.encode() in head for mark in spec.marks)


def by_content(head: bytes) -> ReaderSpec | None:
    """The reader of a file without an ending, by its first bytes; a table of text for any other text. None for other bytes."""
    specs = all_readers()
    fitting = [
        spec for spec in specs if spec.starts and head.lstrip().startswith(spec.starts) and _has_marks(head, spec)
    ]
    best = max(fitting, key=lambda spec: len(spec.marks), default=None)
    if best is not None or not head or b"\0" in head:
        return best
    return next(spec for spec in specs if spec.name == "csv")
