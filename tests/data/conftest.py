"""Puts this folder on the path, so that the tests of data can import `toy_data`."""

from __future__ import annotations

import sys
from pathlib import Path

# toy_data.py beside this file is imported by several test files, and importlib mode adds no folder to the path.
sys.path.insert(0, str(Path(__file__).parent))
