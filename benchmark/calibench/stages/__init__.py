"""Base classes of methods, one for each kind: Objective, HeadRefit, Sampler, Ensemble, Calibrator, DecisionRule.

A recipe is a chain of them, in that order. OodScore stands beside them: it tells OOD rows from test rows. Each is built as
`target(**params)` with the parameters that its spec declares. It must raise InputError from `__init__` or `check` for values
that cannot work.
"""

from calibench.progress import Report
from calibench.stages.calibrator import Calibrator
from calibench.stages.decision import DecisionRule
from calibench.stages.ensemble import Ensemble
from calibench.stages.formula import NoFormulaError, Ops, Scores
from calibench.stages.formula_calibrator import FormulaCalibrator
from calibench.stages.objective import Batch, Objective, TrainTask
from calibench.stages.ood_score import OodScore, OodTask
from calibench.stages.refit import HeadRefit, RefitTask, TuneTask
from calibench.stages.sampler import Sampler, SampleTask, View

__all__ = [
    "Batch",
    "Calibrator",
    "DecisionRule",
    "Ensemble",
    "FormulaCalibrator",
    "HeadRefit",
    "NoFormulaError",
    "Objective",
    "OodScore",
    "OodTask",
    "Ops",
    "RefitTask",
    "Report",
    "SampleTask",
    "Sampler",
    "Scores",
    "TrainTask",
    "TuneTask",
    "View",
]
