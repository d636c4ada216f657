"""Advice: the post-hoc map that helps on these outputs, by the cross-fitted NLL of every map that plugins offer for it."""

from __future__ import annotations

from typing import TypedDict

from calibench.config.grammar import bind
from calibench.errors import InputError, RunError
from calibench.evaluation.cross_fit import FOLDS, Samples, cross_fitted, fold_of, take_samples
from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.judged import Judged
from calibench.outputs.arrays import as_array
from calibench.plugins.discovery import registry
from calibench.plugins.specs import MethodSpec
from calibench.progress import Report, quiet

LEVEL = 0.95

MOST_SCORES = 200_000
"""Maps are compared on at most this many scores N x K, so that an evaluation stays a matter of seconds."""

MOST_SAMPLES = 20_000
"""And on at most this many samples, where classes are few."""

FEWEST_SAMPLES = 2_000
"""Not fewer samples than this are taken of a larger file."""


MOST_SHUFFLED = 1 << 24
"""The numbers of so many samples are shuffled (128 MB)."""


class Advice(TypedDict):
    """The map to use, or None if none helps; its gain, and that of every map that was tried."""

    recipe: str | None
    nll_gain: float | None
    """Nats a sample by which the map lowers NLL; of the best map, if none helps."""
    interval: list[float] | None
    """An interval of the gain that holds for all maps together with 95 % confidence."""
    samples: int
    """The number of samples on which the maps were compared."""
    folds: int
    gains: dict[str, float]
    """The gain of every map that could be fitted."""
    not_fitted: dict[str, str]
    """The reason for every map that could not."""


def advise(samples: Samples, seed: int = 0, report: Report = quiet) -> Advice:
    """The map that helps most; of maps that help and cannot be told apart from it, the simplest.

    A map helps if the interval of its gain in NLL lies above 0. Each sample is mapped by a fit on the other folds. Intervals
    are normal, with Bonferroni's correction for the number of maps. `report` hears how many maps were tried.
    """
    outputs, labels = chosen = _some(samples, seed)
    n = len(labels) // outputs.labels_per_sample
    folds = min(FOLDS, n)
    gains, not_fitted = _gains(chosen, folds, seed, report) if n >= 2 else ({}, {})
    advice = Advice(recipe=None, nll_gain=None, interval=None, samples=n, folds=folds, gains={}, not_fitted=not_fitted)
    if not gains:
        return advice
    means = {name: float(gain.mean()) for name, gain in gains.items()}
    intervals = {name: _interval(gain, len(gains)) for name, gain in gains.items()}
    best = max(means, key=means.__getitem__)
    helpful = [name for name in gains if intervals[name][0] > 0]
    as_good = [name for name in helpful if _interval(gains[best] - gains[name], len(gains))[0] <= 0]
    shown = as_good[0] if as_good else best
    advice |= {
        "recipe": shown if as_good else None,
        "nll_gain": means[shown],
        "interval": intervals[shown],
        "gains": means,
    }
    return advice


def maps_to_try() -> list[MethodSpec]:
    """The calibrators that offer themselves for advice, the simplest first."""
    specs = [entry.spec for entry in registry().all("method") if isinstance(entry.spec, MethodSpec)]
    return sorted((spec for spec in specs if spec.advice_order), key=lambda spec: spec.advice_order)


def _gains(samples: Samples, folds: int, seed: int, report: Report) -> tuple[dict[str, Floats], dict[str, str]]:
    """`NLL before - NLL after` of each sample `[N]`, for each map that can be fitted; and the reasons for the others."""
    outputs, labels = samples
    fold = fold_of(as_array(labels), folds, outputs.labels_per_sample, seed)
    before = _nll(samples)
    gains: dict[str, Floats] = {}
    not_fitted: dict[str, str] = {}
    specs, per_class = maps_to_try(), len(labels) / outputs.num_classes
    for place, spec in enumerate(specs):
        report("maps to try", place, len(specs), spec.name)
        if per_class < spec.advice_per_class:
            message = f"{per_class:.3g} samples a class are compared, and it needs {spec.advice_per_class:g}"
            not_fitted[spec.name] = message
            continue
        try:
            mapped = cross_fitted([bind(spec, ())], samples, fold, seed)
        except (InputError, RunError) as error:  # it does not suit these outputs
            not_fitted[spec.name] = error.message
            continue
        gains[spec.name] = before - _nll((mapped, labels))
    return gains, not_fitted


def _nll(samples: Samples) -> Floats:
    """The NLL of each sample, the mean over its labels."""
    outputs, labels = samples
    nll: Floats = Judged(outputs, labels).nll.reshape(-1, outputs.labels_per_sample).mean(axis=1)
    return nll


def _interval(gain: Floats, comparisons: int) -> list[float]:
    """A normal interval of the mean, at `LEVEL` for all comparisons together."""
    from statistics import NormalDist

    error = float(gain.std(ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else np.inf
    width = NormalDist().inv_cdf(1 - (1 - LEVEL) / 2 / comparisons) * error
    mean = float(gain.mean())
    return [mean - width, mean + width]


def _some(samples: Samples, seed: int) -> Samples:
    """All samples, or as many of them, drawn at random, as the limits allow."""
    outputs, labels = samples
    per_sample = outputs.labels_per_sample
    n = len(labels) // per_sample
    rows = rows_to_compare(n, outputs.num_classes * per_sample, seed)
    return samples if len(rows) == n else take_samples(samples, rows)


def rows_to_compare(n: int, scores: int, seed: int) -> Ints:
    """Which of n samples of `scores` scores each are compared, in their order: all, or as many as the limits allow.

    They are drawn at random; of more than `MOST_SHUFFLED` samples one from each of equally many parts of the file.
    """
    size = max(FEWEST_SAMPLES, min(MOST_SAMPLES, MOST_SCORES // scores))
    if n <= size:
        return np.arange(n)
    generator = np.random.Generator(np.random.PCG64(seed))
    if n <= MOST_SHUFFLED:
        return np.sort(generator.permutation(n)[:size])
    starts = np.arange(size + 1) * n // size
    return generator.integers(starts[:-1], starts[1:])
