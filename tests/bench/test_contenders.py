"""The contenders of every op agree with ours, and the inputs have the temperature that they claim."""

from __future__ import annotations

import warnings
from functools import partial

import pytest
import torch
from bench_toys import CPU

from calibench.bench import agreement
from calibench.bench.case import FLOOR, OURS, Case, torch_compiled
from calibench.bench.inputs import TEMPERATURE, classifier
from calibench.bench.ops import OPS

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("default::calibench.errors.CalibenchWarning"),
]

DIFFERENT = {"torch L-BFGS, as published", "torch L-BFGS, at most 50", "scikit-learn, float32"}
"""May differ from ours: the published settings stop far from the optimum, and 600 float32 rows give T fewer digits."""


@pytest.fixture
def traced(monkeypatch):
    """torch.compile without code generation, which takes seconds per function; a graph break is an error."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))
    torch_compiled.cache_clear()
    yield
    torch_compiled.cache_clear()
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", OPS)
def test_all_contenders_answer_as_ours(name, dtype, traced):
    for module in ("torchmetrics", "netcal"):
        pytest.importorskip(module, reason=f"{module} is not installed")
    case = Case(OPS[name], (600, 12), dtype, CPU)
    tolerance = case.op.tolerance(case.shape)
    assert set(tolerance) >= {case.op.headline}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # peers warn on every call
        answers = {c.name: c.figures(c.run(*case.inputs())) for c in case.contenders(peers=True)}
    assert list(answers)[:2] == [FLOOR, OURS]
    wrong = set()
    for contender in set(answers) - {FLOOR, OURS}:
        differences = agreement.compare(answers[contender], answers[OURS], tolerance)
        assert {d.figure for d in differences} == set(tolerance), contender
        if not all(d.accepted for d in differences):
            wrong.add(contender)
    assert wrong <= DIFFERENT


def test_the_inputs_have_the_temperature_that_they_claim():
    x, y = classifier((20_000, 20), torch.float32, CPU)
    assert torch.equal(x, classifier((20_000, 20), torch.float32, CPU)[0])
    assert y.bincount(minlength=20).min() == 1000
    scaled = x.double() / TEMPERATURE
    nll = [float(torch.nn.functional.cross_entropy(scaled * b, y)) for b in (0.95, 1.0, 1.05)]
    assert nll[1] < min(nll[0], nll[2])
    confidence = x.softmax(1).amax(1)
    assert ((confidence * 15).ceil().long().bincount()[3:] > 0).all()
