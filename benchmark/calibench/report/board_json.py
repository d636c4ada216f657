"""Boards as one JSON document."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from calibench.records import schemas
from calibench.report.across_table import across_document

if TYPE_CHECKING:
    from calibench.leaderboard.across import Across
    from calibench.leaderboard.boards import Board


def boards_document(boards: Sequence[Board], across: Sequence[Across] = ()) -> dict[str, Any]:
    """The boards with all their fields, and the recipes over all data sets of each folder."""
    return {
        "schema": schemas.LEADERBOARD,
        "boards": [dataclasses.asdict(board) for board in boards],
        "across": [across_document(summary) for summary in across],
    }


def boards_json(boards: Sequence[Board], across: Sequence[Across] = ()) -> str:
    """The document as text, ending in a newline."""
    return json.dumps(boards_document(boards, across), indent=1, allow_nan=False) + "\n"
