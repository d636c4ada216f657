"""The door of numpy in fresh processes: without torch, before torch, without or with other compiled files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from kernel_doors import needs_numpy
from kernel_package import copy_without_kernels, run_python

import calibench
from calibench.kernels.numpy_operators import numpy_operators
from calibench.kernels.signatures import JUDGING_OPS, OPS

pytestmark = pytest.mark.slow  # each starts a process

HERE = Path(calibench.__file__).parents[1]

USE = """
import numpy as np
from calibench import kernels
y = np.arange(200) % 5
x = np.random.default_rng(0).normal(size=(200, 5)) + np.eye(5)[y]
counts = kernels.resample_counts(200, 0, 20, 0, numpy=True)
right = x.argmax(axis=1) == y
table = kernels.class_table(x, 15)
drawn = kernels.label_draws(x, 15, np.zeros(200, np.int32), 1, first=0, draws=8, seed=0)
gaps = kernels.resample_class_gaps(counts, x, y)
results = [
    *kernels.calibration_stats(x, y), *kernels.classwise_stats(x, y, np.array([0.5])), *kernels.nll_curve(x, y, [0.0]),
    *kernels.softmax_threshold(x, 0.5), *kernels.softmax_threshold_sets(x, np.full(5, 0.1)), *kernels.sigmoid_threshold(x, 0.5),
    *kernels.bootstrap_bins(np.full(200, 0.5), right, resamples=5), *table, *drawn, gaps,
    kernels.resample_sums(counts, [x[:, 0].copy(), right], np.array([100, 200])),
    kernels.resample_risks(counts, ~right, np.array([200])),
    kernels.resample_group_sums(counts, [x[:, 0].copy()], np.full((2, counts.shape[1]), 100.0)),
    kernels.gap_sizes(drawn.labels, table.moments[0], table.moments[1]),
    kernels.resample_class_errors(counts, np.zeros(1, np.int32), np.ones(1, np.int32), np.ones(5, np.int64), gaps),
]
assert all(type(result) is np.ndarray for result in results)
kernels.fit_temperature(x, y)
"""
"""Every typed function but the accumulator, which is torch's."""


def python(script: str, **environment: str) -> str:
    process = run_python(script, path=HERE, **environment)
    assert process.returncode == 0, process.stderr
    return process.stdout


@needs_numpy
def test_the_first_call_may_be_the_one_that_imports_torch() -> None:
    """The import of torch ends in a call for the status, which must not wait for itself."""
    script = "from calibench.kernels import loader\nassert loader.extension_status().loaded\nassert loader.backend() == 'fused-cpu'"
    process = run_python(script, path=HERE)
    assert process.returncode == 0, process.stderr


@needs_numpy
def test_no_function_imports_torch() -> None:
    python(f"import sys\n{USE}\nassert 'torch' not in sys.modules")


@needs_numpy
def test_no_function_needs_torch() -> None:
    """None in sys.modules makes `import torch` fail."""
    python(f"import sys\nsys.modules['torch'] = None\nimport calibench._C, calibench.kernels.resampling\n{USE}")


@pytest.mark.parametrize("imports", ["import calibench.kernels, torch", "import torch, calibench.kernels"])
def test_the_operators_are_loaded_once_torch_is_imported(imports: str) -> None:
    """Also where nobody calls a function: a program saved by torch.export finds them, and its results."""
    script = f"""
{imports}
from torch.utils import _pytree
assert calibench.kernels.CalibrationStats in _pytree.SUPPORTED_NODES
print(*dir(torch.ops.calibench))
"""
    if numpy_operators().functions:
        assert {*OPS, *JUDGING_OPS} <= set(python(script).split())


def test_an_import_of_torch_that_fails_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(
        "import os\nif 'BROKEN' in os.environ: raise ImportError('no torch')\n"
    )
    script = f"""
import os, sys
from calibench.kernels.torch_import import when_torch
sys.path.insert(0, {str(tmp_path)!r})
calls = []
when_torch(lambda: calls.append(1))
os.environ["BROKEN"] = "1"
try:
    import torch
except ImportError:
    del os.environ["BROKEN"]
assert calls == []
import json, torch
assert calls == [1], calls
when_torch(lambda: calls.append(2))
assert calls == [1, 2]
"""
    # The package itself waits for torch too, and its operators are not for the torch of this test.
    python(
        f"import sys, types\nsys.modules['calibench.kernels'] = types.ModuleType('calibench.kernels')\n"
        f"sys.modules['calibench.kernels'].__path__ = [{str(HERE / 'calibench' / 'kernels')!r}]\n{script}"
    )


@needs_numpy
@pytest.mark.parametrize(("asked", "threads"), [("3", 3), ("2,4", 2), ("0", None), ("many", None), ("", None)])
def test_omp_num_threads_is_the_number_of_threads(asked: str, threads: int | None) -> None:
    script = "from calibench import kernels; print(kernels.threads()); kernels.set_threads(7); print(kernels.threads())"
    expected = len(os.sched_getaffinity(0)) if threads is None else threads
    assert python(script, OMP_NUM_THREADS=asked).split() == [str(expected), "7"]


def test_the_number_of_threads_is_torchs_too_once_it_is_imported() -> None:
    script = """
import sys
from calibench import kernels
for count in (7, 3):
    kernels.set_threads(count)
assert "torch" not in sys.modules
import torch
print(torch.get_num_threads())
kernels.set_threads(2)
print(torch.get_num_threads())
"""
    assert python(script).split() == ["3", "2"]


MODES = """
import json, os, sys, warnings
import numpy as np
from calibench import kernels
from calibench.errors import InputError
x, y = np.zeros((3, 2)), np.zeros(3, dtype=np.int64)
outcomes = {"threads": kernels.threads()}
for mode in ("reference", "auto", "fused"):
    os.environ["CALIBENCH_BACKEND"] = mode
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for _ in range(2):
                stats = kernels.calibration_stats(x, y)
                assert stats.correct == 3 and type(stats.count) is np.ndarray
                assert kernels.resample_counts(3, 0, 2, 0, numpy=True).sum() == 6
            answer = "served"
        except InputError as error:
            answer = error.message
    outcomes[mode] = [answer, [str(warning.message) for warning in caught]]
outcomes["torch"] = "torch" in sys.modules
print(json.dumps(outcomes))
"""


def outcomes(folder: Path, before: str = "") -> dict[str, Any]:
    copy_without_kernels(folder)
    process = run_python(before + MODES, path=folder)
    assert process.returncode == 0, process.stderr
    found: dict[str, Any] = json.loads(process.stdout)
    return found


def test_without_compiled_files_the_reference_serves_numpy_with_one_warning(tmp_path: Path) -> None:
    # An editable install finds the file of the checkout for any copy of the package.
    found = outcomes(tmp_path, 'import sys\nsys.modules["calibench._C"] = None\n')
    assert found["threads"] == 1
    assert found["torch"], "the reference is torch's"
    assert found["reference"] == ["served", []]
    answer, (warning,) = found["auto"]
    assert answer == "served"
    assert warning.startswith("the kernels for numpy arrays are not available (calibench._C does not load: ")
    assert warning.endswith("To build them: CALIBENCH_BUILD=cpu pip install --no-build-isolation -e .")
    assert found["fused"][0].startswith("CALIBENCH_BACKEND=fused, but the kernels for numpy arrays are not available")


STALE = """
import sys, types
old = types.ModuleType("calibench._C")
old.signatures = {"resample_counts": "Tensor, int, int, int, int -> 1", "calibration_stats": "Tensor, Tensor, int -> 4"}
old.operators = {name: lambda *_: 1 / 0 for name in old.signatures}
old.operators["resample_counts"] = lambda like, n, first, resamples, seed: __import__("numpy").ones((n, 2))
old.threads, old.build_info = lambda: 2, lambda: {}
sys.modules["calibench._C"] = old
"""
"""Operators of another calibench: one has other arguments, one is up to date, the others are missing."""


def test_a_stale_file_serves_the_operators_that_fit(tmp_path: Path) -> None:
    found = outcomes(tmp_path, STALE)
    answer, (warning,) = found["auto"]
    assert answer == "served"
    assert (
        "calibench._C is stale: rebuild it; it was built from another calibench and lacks calibration_stats," in warning
    )
    assert "resample_counts" not in warning


def test_a_file_without_operators_is_stale(tmp_path: Path) -> None:
    """As it was before there were operators for numpy."""
    before = 'import sys, types\nold = sys.modules["calibench._C"] = types.ModuleType("calibench._C")\nold.build_info = dict\n'
    found = outcomes(tmp_path, before)
    assert found["threads"] == 1
    _, (warning,) = found["auto"]
    assert "calibench._C is stale" in warning
