"""Puts `metric_cases.py`, the samples that the metrics' tests judge, on the path: importlib mode adds no folder to it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
