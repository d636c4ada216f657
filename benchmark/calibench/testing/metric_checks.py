"""Checks of a metric: its figure on toy samples, its resamples, and samples that lack a class."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from calibench.errors import InputError
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric
from calibench.outputs.outputs import ABSTAIN
from calibench.plugins.specs import MetricSpec
from calibench.testing.any_item import Item, code_counts, documented, pickles, typed
from calibench.testing.toy import toy_judged, toy_outputs
from calibench.testing.verdict import Check, DoesNotApplyError, FailsError
from calibench.testing.watch import Watch, confirmed, refuse_seeding

RESAMPLES = 20


def _metric(item: Item) -> Metric:
    assert isinstance(item.spec, MetricSpec)
    metric = item.target(**item.spec.options)
    if not isinstance(metric, Metric):
        raise FailsError(f"its target makes a {type(metric).__name__}", "make it a subclass of calibench.Metric")
    return metric


def _judged(item: Item) -> Judged:
    """Toy samples that the metric applies to."""
    judged = _with_decisions(item, toy_judged())
    if not item.shared("metric", lambda: _metric(item), "the metric cannot be built").applies(judged):
        raise DoesNotApplyError("toy samples have no decisions, soft labels or several labels a row")
    return judged


def _with_decisions(item: Item, judged: Judged) -> Judged:
    """The samples, with the answers of a rule that abstains on each fifth one if the metric refuses samples without a rule."""
    metric = item.shared("metric", lambda: _metric(item), "the metric cannot be built")
    try:
        metric.value(judged)
    except InputError:
        decisions = judged.prediction.copy()
        decisions[::5] = ABSTAIN
        return Judged(judged.outputs, judged.labels, decisions)
    except Exception:
        return judged  # the checks meet it again, and say it
    return judged


def _value(item: Item) -> tuple[float, Watch]:
    """The figure of toy samples, watched."""

    def make() -> tuple[float, Watch]:
        watch, judged = Watch(), _judged(item)
        return watch.call("value", _metric(item).value, judged), watch

    value: tuple[float, Watch] = item.shared("value", lambda: confirmed(make), "the metric does not compute")
    return value


def finite(item: Item) -> str:
    """The figure of toy samples is a finite number."""
    value, _ = _value(item)
    if isinstance(value, bool) or not isinstance(value, float | int) or not math.isfinite(value):
        raise FailsError(f"the figure of ordinary samples is {value!r}")
    return f"{value:.4g} on toy samples"


def deterministic(item: Item) -> None:
    """The same samples give the same figure, to the last bit."""
    first, again = _value(item)[0], _metric(item).value(_judged(item))
    if first != again:
        raise FailsError(f"the same samples give {first!r} and {again!r}")


def inputs_unchanged(item: Item) -> None:
    """The arrays of `judged` are as before."""
    _value(item)
    judged, other = _judged(item), toy_judged()
    _metric(item).value(judged)
    for name in ("labels", "confidence", "correct", "prediction", "probs", "nll", "brier"):
        if not np.array_equal(getattr(judged, name), getattr(other, name)):
            raise FailsError(f"value changes judged.{name}")


def seeds_untouched(item: Item) -> None:
    """The figure touches no global generator."""
    refuse_seeding(_value(item)[1])


def resamples_agree(item: Item) -> None:
    """`resampled` agrees with `value` of the rows of each resample."""
    judged, metric = _judged(item), _metric(item)
    counts = np.random.default_rng(0).multinomial(judged.n, np.full(judged.n, 1 / judged.n), size=RESAMPLES)
    found = np.asarray(metric.resampled(judged, counts.astype(np.float64)))
    expected = np.array([metric.value(judged.take(np.repeat(np.arange(judged.n), count))) for count in counts])
    if found.shape != expected.shape:
        raise FailsError(f"resampled returns shape {list(found.shape)}, not [{RESAMPLES}]")
    if not np.allclose(found, expected, rtol=1e-9, atol=1e-9, equal_nan=True):
        worst = float(np.nanmax(np.abs(found - expected)))
        raise FailsError(f"resampled differs from value of the rows of a resample by {worst:.2g}")


def absent_class(item: Item) -> None:
    """Samples that lack a class, or are all of one, give a number or NaN, and no error."""
    _judged(item)
    outputs, labels = toy_outputs()
    for name, kept in (("without class 2", labels != 2), ("of class 1 alone", labels == 1)):
        scores = type(outputs)(outputs.scores[kept])
        judged = _with_decisions(item, Judged(scores, labels[kept].numpy()))
        metric = _metric(item)
        value: Any = metric.value(judged) if metric.applies(judged) else math.nan
        if not isinstance(value, float | int) or math.isinf(value):
            raise FailsError(f"the figure of samples {name} is {value!r}")


def metric_pickles(item: Item) -> None:
    """The metric and its spec pickle."""
    pickles(_metric(item), f"the {type(_metric(item)).__name__}")


CHECKS = (
    Check("documented", documented),
    Check("typed", typed),
    Check("finite", finite, "return a float; NaN only where the figure is undefined"),
    Check("deterministic", deterministic, "draw from numpy.random.default_rng of a fixed seed"),
    Check("inputs unchanged", inputs_unchanged, "work on a copy"),
    Check("global seeds", seeds_untouched, "use numpy.random.default_rng"),
    Check("resamples", resamples_agree, "leave `resampled` out, or let it agree to 1e-12"),
    Check("absent class", absent_class, "return NaN where the figure is undefined"),
    Check("cache key", code_counts),
    Check("pickles", metric_pickles),
)
