"""For tests of plugins: toy data, seeded runs, and the checks of `calibench plugin check` as functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench.lazy import exports

if TYPE_CHECKING:
    from calibench.testing.checks import check_dataset as check_dataset
    from calibench.testing.checks import check_item as check_item
    from calibench.testing.checks import check_launcher as check_launcher
    from calibench.testing.checks import check_method as check_method
    from calibench.testing.checks import check_metric as check_metric
    from calibench.testing.checks import check_model as check_model
    from calibench.testing.checks import check_noise as check_noise
    from calibench.testing.checks import check_ood_score as check_ood_score
    from calibench.testing.checks import check_reader as check_reader
    from calibench.testing.checks import check_shift as check_shift
    from calibench.testing.checks import check_tracker as check_tracker
    from calibench.testing.conformance import check_plugin as check_plugin
    from calibench.testing.recipe_run import seeded_run as seeded_run
    from calibench.testing.toy import toy_arrays as toy_arrays
    from calibench.testing.toy import toy_judged as toy_judged
    from calibench.testing.toy import toy_outputs as toy_outputs
    from calibench.testing.verdict import Verdict as Verdict

_HOME = {
    "calibench.testing.conformance": ("check_plugin",),
    "calibench.testing.checks": (
        *("check_dataset", "check_item", "check_launcher", "check_method", "check_metric", "check_model"),
        *("check_noise", "check_ood_score", "check_reader", "check_shift", "check_tracker"),
    ),
    "calibench.testing.recipe_run": ("seeded_run",),
    "calibench.testing.toy": ("toy_arrays", "toy_judged", "toy_outputs"),
    "calibench.testing.verdict": ("Verdict",),
}
__all__ = sorted(name for names in _HOME.values() for name in names)  # noqa: PLE0605 - the names are strings

__getattr__ = exports(__name__, _HOME)
