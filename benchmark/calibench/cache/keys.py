"""Keys of stages: a digest of everything that decides a stage's result."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from calibench.cache.code import code_of
from calibench.config.grammar import Bound
from calibench.version import __version__


def stage_key(stage: str, *parts: Any) -> str:
    """SHA-256 over a stage's name and the JSON of everything that decides its result."""
    return hashlib.sha256(json.dumps([stage, __version__, *parts], sort_keys=True).encode()).hexdigest()


def identity(bound: Bound) -> list[Any]:
    """The parts of a key that describe the stage itself: its name with every parameter, and the digest of its code."""
    return [bound.document(), code_of(bound)]
