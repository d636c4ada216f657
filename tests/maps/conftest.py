"""Maps of every case, fitted by one process and applied by another; and this folder on the path, to import `map_cases`."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


def in_a_process(word: str, folder: Path) -> None:
    ended = subprocess.run(
        [sys.executable, str(HERE / "map_cases.py"), word, str(folder)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map a case, fitted by one process, and the test rows that another process mapped by it. The cost file is then gone."""
    from map_cases import make, scores

    for name in ("probmetrics", "numba", "torchmin"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed, and svs and sms need it")
    at = tmp_path_factory.mktemp("maps")
    np.savetxt(
        at / "costs.csv", [[0, 1, 1, 2, 0.4], [1, 0, 1, 1, 0.4], [3, 1, 0, 1, 0.4], [1, 1, 1, 0, 0.4]], delimiter=","
    )
    logits, labels = make(500, 1)
    for kind in ("logits", "probs"):
        np.savez(at / f"test-{kind}.npz", labels=labels, **scores(kind, logits))
    in_a_process("fit", at)
    costs = (at / "costs.csv").read_text()
    (at / "costs.csv").unlink()
    in_a_process("apply", at)
    (at / "costs.csv").write_text(costs)
    return at
