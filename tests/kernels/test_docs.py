"""docs/reference/kernels.md: its examples run from top to bottom, and it shows every function."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from calibench import kernels

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "kernels.md"


@pytest.mark.slow
def test_the_examples_run(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) > 8
    if backend == "fused":
        monkeypatch.setenv("CALIBENCH_BACKEND", "auto")  # the page also asks for the backend of a GPU
    if backend == "reference":  # torch cannot trace the reference in one graph
        blocks = [block for block in blocks if "torch.compile" not in block]
    scope: dict[str, object] = {}
    threads = kernels.threads(), torch.get_num_threads()
    try:
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), scope)
    finally:
        kernels.set_threads(threads[0])
        torch.set_num_threads(threads[1])


def test_every_function_is_shown() -> None:
    text = PAGE.read_text(encoding="utf-8")
    functions = {name for name in kernels.__all__ if name[0].islower()} - {"build_info"}
    assert {name for name in functions if f"kernels.{name}(" not in text} == set()
