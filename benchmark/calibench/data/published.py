"""A file as its publisher offers it, and the check that a local copy is that file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from calibench.errors import InputError


@dataclass(frozen=True)
class PublishedFile:
    """Name, address, size in bytes and checksum of a file from which a dataset is read.

    `sha256` or `md5` is the digest that its publisher, or long use, vouches for. With neither, only the size is checked
    here, and the reader checks the content. A `size` of None is unknown; then the checksum decides.
    """

    name: str
    url: str
    size: int | None
    md5: str = ""
    sha256: str = ""

    @property
    def checksum(self) -> str:
        """The checksum as the record states it."""
        if self.sha256:
            return f"SHA-256 {self.sha256}"
        return f"MD5 {self.md5}" if self.md5 else "no checksum is published, size and structure are checked"

    @property
    def megabytes(self) -> str:
        """The size for people, in units of 10^6 bytes."""
        return "size unknown" if self.size is None else f"{self.size / 1e6:.3g} MB"

    def fault(self, path: Path) -> str:
        """The difference of the copy at `path`, as in `it has 7 bytes, the published file 170498071`; "" if it does not."""
        size = path.stat().st_size
        if self.size is not None and size != self.size:
            return f"it has {size} bytes, the published file {self.size}"
        kind, expected = ("sha256", self.sha256) if self.sha256 else ("md5", self.md5)
        if not expected:
            return ""
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()
        return "" if digest == expected else f"its {kind} is {digest}, the published file's {expected}"

    def check(self, path: Path, where: str, hint: str) -> None:
        """InputError with `hint` unless `path` holds the published bytes. Every read calls it, since files may change."""
        try:
            fault = self.fault(path)
        except OSError as error:
            message = f"{where}: cannot read {str(path)!r}: {error.strerror or error}"
            raise InputError(message, "check the file") from None
        if fault:
            raise InputError(f"{where}: {str(path)!r} is not the published file: {fault}", hint)
