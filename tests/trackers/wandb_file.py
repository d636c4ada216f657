"""Reads the file of an offline run of W&B: a log in the format of LevelDB, of messages of wandb's own protocol."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

BLOCK, HEADER, FIRST_BYTES = 32768, 7, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def messages(file: Path) -> Iterator[bytes]:
    """The messages of the log; a message may lie in several parts."""
    content, place = file.read_bytes(), FIRST_BYTES
    assert content.startswith(b":W&B")
    message = b""
    while place + HEADER <= len(content):
        if BLOCK - place % BLOCK < HEADER:  # the rest of a block that is too short for a header is empty
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + HEADER])
        part = content[place + HEADER : place + HEADER + length]
        place += HEADER + length
        message = part if kind in (FULL, FIRST) else message + part
        if kind in (FULL, LAST):
            yield message


def values(items: Iterable[Any]) -> dict[str, Any]:
    """Keys and values of items of a history, a summary or a configuration."""
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}
