"""Keys of stages: a digest of all that decides what a stage makes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from calibench.cache.code import code_of
from calibench.config.grammar import Bound
from calibench.version import __version__


def stage_key(stage: str, *parts: Any) -> str:
    """SHA-256 over a stage's name and the JSON of all that decides its result."""
    return hashlib.sha256(json.dumps([stage, __version__, *parts], sort_keys=True).encode()).hexdigest()


def identity(bound: Bound) -> list[Any]:
    """What decides a stage besides its inputs: its name, every parameter, and its code."""
    return [bound.document(), code_of(bound)]
