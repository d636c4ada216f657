"""Tests of the command line count imports as the gates of `tests/perf` do."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "perf"))
