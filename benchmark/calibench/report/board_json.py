"""Boards as one JSON document."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from calibench.records import schemas

if TYPE_CHECKING:
    from calibench.leaderboard.boards import Board


def boards_document(boards: Sequence[Board]) -> dict[str, Any]:
    """The boards with all their fields."""
    return {"schema": schemas.LEADERBOARD, "boards": [dataclasses.asdict(board) for board in boards]}


def boards_json(boards: Sequence[Board]) -> str:
    """The document as text, ending in a newline."""
    return json.dumps(boards_document(boards), indent=1, allow_nan=False) + "\n"
