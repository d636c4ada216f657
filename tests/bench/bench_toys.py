"""A clock that contenders move, and cases whose contenders only return a figure: no test here depends on speed."""

from __future__ import annotations

import torch

from calibench.bench import runner
from calibench.bench.case import Case, Op
from calibench.bench.inputs import classifier

CPU = torch.device("cpu")


class Clock:
    """Seconds that pass only in contenders; `calls` lists the contenders that ran."""

    def __init__(self):
        self.now, self.calls = 0.0, []

    def __call__(self):
        return self.now

    def takes(self, name, seconds, answer=1.0):
        def run(x, y):
            self.now += seconds
            self.calls.append(name)
            return {"figure": answer}

        return run


def toy(*contenders, tolerance=1e-3):
    """A case of 4 x 3 with these contenders."""
    limits = {"figure": tolerance}
    op = Op(
        "toy", "a figure", ((4, 3),), (torch.float32,), classifier, lambda s: contenders, lambda s: limits, "figure"
    )
    return Case(op, (4, 3), torch.float32, CPU)


def timed(case, rounds=4, budget=5.0):
    return runner.time_case(case, case.inputs(), case.op.contenders(case.shape), rounds, budget)
