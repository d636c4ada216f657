"""The metrics that the plugin registers: their names, units and order, and that listing them is light."""

from __future__ import annotations

import os
import subprocess
import sys

from calibench.metrics.plugin import calibench_metrics

NAMES = [
    "accuracy",
    "nll",
    "brier",
    "ece15",
    "ece10",
    "mce15",
    "ece_equal_mass15",
    "classwise_ece15",
    "aurc",
    "exact_match",
    "macro_f1",
    "soft_nll",
    "soft_brier",
    "coverage",
    "selective_risk",
    "set_coverage",
    "set_size",
    "mean_cost",
]
NEED_A_DECISION = ["coverage", "selective_risk", "set_coverage", "set_size", "mean_cost"]


def test_every_spec_is_complete():
    specs = calibench_metrics()
    assert all(spec.equation and spec.unit for spec in specs)
    assert [spec.place for spec in specs] == sorted({spec.place for spec in specs})


def test_the_metrics_of_boards_keep_their_order_and_properties():
    """`NAMES` is the order of columns that users know. A new metric need not be in it."""
    specs = {spec.name: spec for spec in calibench_metrics() if spec.name in NAMES}
    assert list(specs) == NAMES
    higher = {name for name, spec in specs.items() if spec.better == "higher"}
    assert higher == {"accuracy", "coverage", "set_coverage", "exact_match", "macro_f1"}
    not_rankable = [name for name, spec in specs.items() if not spec.rankable]
    assert not_rankable == ["mce15", "coverage", "set_coverage", "set_size"]
    assert [name for name, spec in specs.items() if spec.needs_decision] == NEED_A_DECISION
    order_only = [name for name, spec in specs.items() if spec.order_only]
    assert order_only == ["ece15", "ece10", "ece_equal_mass15", "classwise_ece15"]
    assert specs["nll"].unit == "nats"


def test_a_metric_is_in_the_file_of_its_name():
    """`ece15` is in `ece.py`, since the number of bins is an option."""
    for spec in calibench_metrics():
        module = spec.target.partition(":")[0].rpartition(".")[2]
        assert module == spec.name.removesuffix(str(spec.options.get("bins", ""))), spec.name


def test_listing_the_metrics_imports_neither_torch_nor_numpy():
    code = (
        "import sys; from calibench.metrics.plugin import calibench_metrics; calibench_metrics(); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy')))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_every_figure_whose_replicates_are_biased_gives_no_rank_unless_it_is_debiased():
    """A board orders by it only, or refuses it."""
    biased = {spec.name for spec in calibench_metrics() if spec.load().bias_corrected}
    assert {spec.name for spec in calibench_metrics() if spec.order_only or not spec.rankable} >= biased - {
        "ece_debiased15"
    }
    assert {spec.name for spec in calibench_metrics() if spec.order_only} <= biased
