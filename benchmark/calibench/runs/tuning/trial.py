"""One trial of a search: a configuration trained, fitted on cal and scored on val. The labels of test are not there."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch

from calibench.cache.stage_cache import StageCache
from calibench.config.run_config import RunConfig
from calibench.data.prepare import Data
from calibench.errors import InputError, RunError
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics
from calibench.metrics.metric import Metric
from calibench.plugins.specs import MetricSpec
from calibench.progress import Report
from calibench.recipe.members import Members
from calibench.recipe.posthoc import checked
from calibench.runs.run import posthoc_of
from calibench.seeds import seeded


@dataclass(frozen=True)
class Scorer:
    """What a search is led by: a metric of the val split."""

    name: str
    spec: MetricSpec
    metric: Metric

    @classmethod
    def of(cls, name: str) -> Scorer:
        """The metric of that name. InputError for an unknown one, and for one that ranks nothing or needs decisions."""
        found = load_metrics(name)
        if len(found) != 1:
            raise InputError(f"--tune-metric {name} names {len(found)} metrics", "name one, such as brier")
        ((key, (spec, metric)),) = found.items()
        if not spec.rankable or spec.order_only or spec.needs_decision:
            raise InputError(f"--tune-metric {name} leads no search", "name a proper score, such as brier or nll")
        return cls(key, spec, metric)

    @property
    def lower(self) -> bool:
        """True if lower is better."""
        return self.spec.better == "lower"


def without_test_labels(data: Data) -> Data:
    """The data with label 0 on every row of test, so that no search can see the others."""
    blank = dataclasses.replace(data.test, y=data.test.y * 0)
    return dataclasses.replace(data, test=blank, test_soft=None)


def score_on_val(config: RunConfig, data: Data, cache: StageCache, scorer: Scorer, report: Report) -> float:
    """The metric on val after training and fitting on cal. RunError if it is not finite; errors of the run pass.

    Samplers and rules draw from the run's seed.
    """
    members, posthoc = Members(config, data, cache, report), posthoc_of(config, data)
    outputs = {
        name: checked(split, f"{config.recipe}, {name} split") for name, split in members.run(("cal", "val")).items()
    }
    labels = {name: torch.from_numpy(getattr(data, name).y).flatten() for name in outputs}
    with seeded(members.seeds["posthoc"]):
        posthoc.fit(outputs["cal"], labels["cal"])
        val, _ = posthoc.judged(outputs["val"], decide=False)
    score = float(scorer.metric.value(Judged(val, labels["val"])))
    if score - score != 0:
        raise RunError(f"{scorer.name} on val is {score}", "leave the parameter's extremes out")
    return score
