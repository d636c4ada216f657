"""Load the metrics that plugins offer, all of the default set or those that the user names, and build them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from typing import Any

from calibench.config.grammar import Bound, Piece, bind, parse_list
from calibench.errors import InputError, PluginError
from calibench.metrics.metric import Metric
from calibench.plugins.discovery import registry
from calibench.plugins.params import Param
from calibench.plugins.specs import MetricSpec

Metrics = dict[str, tuple[MetricSpec, Metric]]
"""Each metric with its spec, by name."""

DEFAULT, ALL = "default", "all"
"""The words that name the default set, and every metric."""

_BINS = Param("bins", "int", 15, "the number of bins", minimum=1)


def load_metrics(names: str | None = None, weighted: bool = False) -> Metrics:
    """The metrics that `names` lists, as in `brier,ece:bins=20,smece`; the default set for None.

    `default` and `all` stand for these sets. A metric whose name ends in its number of bins takes any number: `ece20` and
    `ece:bins=20` are the same. For `weighted` samples the sets leave out metrics that take no weights. InputError for a name
    that no plugin has, and for such a metric by name; PluginError if a target is not a Metric.
    """
    metrics: Metrics = {}
    for piece in parse_list(DEFAULT if names is None else names):
        if piece.name in (DEFAULT, ALL) and not piece.values:
            specs = _specs()
            chosen = [(spec.name, bind(spec, ())) for spec in specs if piece.name == ALL or not spec.optional]
            by_name = False
        else:
            bound = _find(piece)
            chosen, by_name = [(bound.text(), bound)], True
        for name, bound in chosen:
            metric = _build(bound)
            if weighted and not metric.takes_weights:
                if by_name:
                    raise takes_no_weights(name)
                continue
            metrics[name] = (bound.spec, metric)
    return metrics


def named_in(names: str) -> list[str]:
    """The metrics that `names` names by themselves, and not as part of a set."""
    pieces = [piece for piece in parse_list(names) if piece.name not in (DEFAULT, ALL) or piece.values]
    return [_find(piece).text() for piece in pieces]


def takes_no_weights(name: str) -> InputError:
    """The error for a metric that weighted samples are not judged by; it names those that are."""
    able = [spec.name for spec in _specs() if getattr(spec.load(), "takes_weights", False)]
    return InputError(f"metric {name!r} takes no sample weights", f"leave it out; these take them: {', '.join(able)}")


def _specs() -> list[MetricSpec]:
    return [entry.spec for entry in registry().all("metric") if isinstance(entry.spec, MetricSpec)]


def _find(piece: Piece) -> Bound:
    """The metric of that name with its parameters, or the one of that name with that number of bins."""
    specs = {spec.name: spec for spec in _specs()}
    if piece.name not in specs:
        name, digits = re.fullmatch(r"(.*?)(\d*)", piece.name, re.DOTALL).groups()  # type: ignore[union-attr]
        for spec in specs.values():
            if "bins" in spec.options and spec.name == f"{name}{spec.options['bins']}":
                values = (("bins", digits), *piece.values) if digits else piece.values
                return _with_bins(spec, name, values)
    return bind(registry().get("metric", piece.name).spec, piece.values)


def _with_bins(spec: MetricSpec, name: str, values: tuple[tuple[str, str], ...]) -> Bound:
    """The metric `spec` with another number of bins, which is the end of its name, and with its own parameters."""
    params = dict(bind(dataclasses.replace(spec, name=name, params=(_BINS, *spec.params)), values).params)
    bins = int(str(params.pop("bins")))
    summary = spec.summary.replace(str(spec.options["bins"]), str(bins))
    options = {**spec.options, "bins": bins}
    optional = spec.optional or bins != spec.options["bins"]
    renamed = dataclasses.replace(spec, name=f"{name}{bins}", summary=summary, options=options, optional=optional)
    return Bound(renamed, params)


def _build(bound: Bound) -> Metric:
    spec = bound.spec
    metric = spec.load()(**spec.options, **bound.params)
    if not isinstance(metric, Metric):
        plugin = registry().get("metric", spec.name).plugin
        raise PluginError(f"{plugin}: metric {spec.name!r} is a {type(metric).__name__}, not a calibench.Metric")
    return metric


def units_of(metrics: Metrics, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The unit of each metric as records hold it (`MetricSpec.in_record`), so that a record explains itself."""
    return {name: metrics[name][0].in_record() for name in names}
