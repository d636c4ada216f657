"""docs/reference/metrics.md from the SPEC above each metric: `python tests/docs/metrics_page.py` writes it anew."""

from __future__ import annotations

import textwrap
from pathlib import Path

from calibench.cli.show import default_text
from calibench.metrics.plugin import calibench_metrics
from calibench.plugins.specs import MetricSpec

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "metrics.md"
WIDTH = 100

TOP = """\
# Metrics: every figure

In the order of tables. `calibench show metric NAME` prints the same, also of a plugin's metric.
[conventions.md](conventions.md) explains bins, intervals and noise floors, and
[shift.md](shift.md) the figures of shifts and OOD sets. "Order only" marks figures that are biased
by an amount that depends on the model: a board may be in their order, but gives no ranks by them.
The interval of a figure is one of a population value, which each entry names;
[evidence/intervals.md](../evidence/intervals.md) shows how often it is covered.

Written by `python tests/docs/metrics_page.py`, from the `SPEC` above each metric in
`benchmark/calibench/metrics/`: change a text there.

"""


def item(spec: MetricSpec) -> str:
    """A list item: name, unit, direction, definition, deviations and source."""
    use = f"{spec.better} is better" if spec.rankable else "no board ranks by it"
    use += "; order only" if spec.order_only else ""
    texts = [f"- **`{spec.name}`** ({spec.unit}; {use}): {spec.summary}", f"`{spec.equation}`.", *spec.deviations]
    texts.append(f"Interval of {spec.estimand}." if not spec.estimand.startswith("none") else "No interval.")
    texts += [f"`{param.key}` ({default_text(param)}): {param.meaning}." for param in spec.params]
    if spec.needs_decision:
        texts.append("It needs a decision rule.")
    if not spec.load().takes_weights:
        texts.append("It takes no sample weights.")
    if spec.optional:
        texts.append("Computed only if `--metrics` names it.")
    if spec.paper:
        texts.append(f"Source: {spec.paper}.")
    return textwrap.fill(" ".join(texts), WIDTH, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)


def page() -> str:
    """The whole page."""
    return TOP + "\n".join(map(item, calibench_metrics())) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
