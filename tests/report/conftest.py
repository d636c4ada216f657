"""Puts `tests/leaderboard` on the path: what is printed here is made of its `board_records`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "leaderboard"))
