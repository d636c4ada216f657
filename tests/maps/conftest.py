"""Puts this folder on the path: importlib mode adds none, and the test files import from beside them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
