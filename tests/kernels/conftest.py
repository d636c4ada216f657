"""Puts this folder on the path: importlib mode adds none, and the test files import the kernel_*.py beside them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite(
    "kernel_accumulators", "kernel_backends", "kernel_cases", "kernel_cuda", "kernel_doors", "kernel_threshold_checks"
)
