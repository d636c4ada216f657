"""Puts this folder on the path: importlib mode adds none, and spawned processes import `gloo_ranks` from it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
