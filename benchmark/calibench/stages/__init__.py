"""What a method implements, by the kind its spec names: Objective, HeadRefit, Sampler, Ensemble, Calibrator, DecisionRule.

A recipe holds one chain of them, in that order. Each is built as `target(**params)` with the parameters its spec declares,
and must raise InputError from `__init__` or `check` for values that cannot work.
"""

from calibench.progress import Report
from calibench.stages.calibrator import Calibrator
from calibench.stages.decision import DecisionRule
from calibench.stages.ensemble import Ensemble
from calibench.stages.objective import Batch, Objective, TrainTask
from calibench.stages.refit import HeadRefit, RefitTask, TuneTask
from calibench.stages.sampler import Sampler, SampleTask, View

__all__ = [
    "Batch",
    "Calibrator",
    "DecisionRule",
    "Ensemble",
    "HeadRefit",
    "Objective",
    "RefitTask",
    "Report",
    "SampleTask",
    "Sampler",
    "TrainTask",
    "TuneTask",
    "View",
]
