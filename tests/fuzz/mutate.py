"""Mutations of a file: some know nothing of its format, some keep a zip or a JSON document whole and change what is inside."""

from __future__ import annotations

import copy
import io
import json
import random
import struct
import warnings
import zipfile
from typing import Any

MAGIC = (0, 1, 2, 7, 8, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**64 - 1)

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**53, 2**63, 10**400, -(10**400), 0.5, -0.0, 1e308, 5e-324),
    *("", "x", "nan", "\x1b[2J", "\u202e", "../../etc/passwd", "/dev/zero", "a" * 300, "=1+1", "\ud800", "1e999"),
    *([], [1], [None], [[]], [{}], {}, {"": 1}, {"x": None}, {"x": {"y": []}}),
)
"""What a JSON value is replaced by."""

MOST = 1 << 16
"""Bytes of a mutated file."""


def mutated(content: bytes, others: list[bytes], words: tuple[bytes, ...], chance: random.Random) -> bytes:
    """The content after one to five changes of bytes; `words` are pieces of its format, `others` other files of it."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
        _change(data, others, words, chance)
    return bytes(data[:MOST])


def _change(data: bytearray, others: list[bytes], words: tuple[bytes, ...], chance: random.Random) -> None:
    place = chance.randrange(len(data) + 1)
    length = chance.choice((1, 2, 4, 8, 16, 64, 500))
    kind = chance.randrange(9)
    if kind == 0 and data:
        data[min(place, len(data) - 1)] ^= 1 << chance.randrange(8)
    elif kind == 1:
        data[place : place + 1] = bytes([chance.randrange(256)])
    elif kind == 2:
        del data[place : place + length]
    elif kind == 3:
        data[place:place] = data[place : place + length]
    elif kind == 4:
        size = chance.choice("BHIQ")
        number = chance.choice(MAGIC) % (1 << 8 * struct.calcsize(size))
        data[place : place + struct.calcsize(size)] = struct.pack(chance.choice("<>") + size, number)
    elif kind == 5 and words:
        data[place : place + chance.choice((0, 1, 4))] = chance.choice(words)
    elif kind == 6 and others:
        other = chance.choice(others)
        start = chance.randrange(len(other) + 1)
        data[place : place + length] = other[start : start + length]
    elif kind == 7:
        del data[place:]
    else:
        data[place:place] = bytes([chance.randrange(256)]) * length


def mutated_zip(content: bytes, others: list[bytes], words: tuple[bytes, ...], chance: random.Random) -> bytes:
    """A zip with right checksums, one member of which is mutated or renamed, in any compression; else bytes are changed."""
    if chance.random() < 0.4:
        return mutated(content, others, words, chance)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # what is mutated may be no zip any more
        return mutated(content, others, words, chance)
    file = io.BytesIO()
    chosen = chance.choice([*members] or [""])
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", chance.choice((0, 8, 12, 14))) as archive:
        warnings.simplefilter("ignore")  # that two members have one name
        for name, member in members.items():
            changed = mutated(member, [*members.values()], words, chance) if name == chosen else member
            archive.writestr(chance.choice((name, name, name, "labels.npy", "x", "../x.npy")) or "x", changed)
    result = file.getvalue()
    return mutated(result, others, words, chance) if chance.random() < 0.2 else result


def mutated_json(content: bytes, others: list[bytes], words: tuple[bytes, ...], chance: random.Random) -> bytes:
    """A JSON document with some values replaced, moved or removed; else bytes are changed."""
    if chance.random() < 0.3:
        return mutated(content, others, words, chance)
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return mutated(content, others, words, chance)
    for _ in range(chance.choice((1, 1, 2, 4))):
        _change_value(document, chance)
    return json.dumps(document, indent=chance.choice((None, 1))).encode("utf-8", "surrogatepass")


def _change_value(document: Any, chance: random.Random) -> None:
    here = document
    while isinstance(here, dict | list) and here:
        key = chance.choice([*here]) if isinstance(here, dict) else chance.randrange(len(here))
        below = here[key]
        if not isinstance(below, dict | list) or not below or chance.random() < 0.25:
            if chance.random() < 0.15:
                del here[key]
            elif isinstance(here, dict) and chance.random() < 0.1:
                here[str(chance.choice(VALUES))[:40]] = here.pop(key)
            else:
                here[key] = copy.deepcopy(chance.choice(VALUES))
            return
        here = below


def mutated_safetensors(content: bytes, others: list[bytes], words: tuple[bytes, ...], chance: random.Random) -> bytes:
    """A safetensors file with a mutated header of the right length; else bytes are changed."""
    if chance.random() < 0.4 or len(content) < 8:
        return mutated(content, others, words, chance)
    (length,) = struct.unpack("<Q", content[:8])
    header = mutated_json(content[8 : 8 + length], others, words, chance)
    return struct.pack("<Q", len(header)) + header + content[8 + length :]
