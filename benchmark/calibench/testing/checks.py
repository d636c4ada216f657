"""The checks of each family, and `check_method` and its kin, which make them in this process and raise AssertionError."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from calibench.errors import InputError
from calibench.plugins.discovery import registry
from calibench.plugins.specs import Spec
from calibench.testing.any_item import Item
from calibench.testing.verdict import Check, FailsError, Verdict, assert_ok, verdict_of

MODULES = {
    "method": ("method_checks", "CHECKS"),
    "dataset": ("dataset_checks", "CHECKS"),
    "model": ("model_checks", "CHECKS"),
    "metric": ("metric_checks", "CHECKS"),
    "noise": ("noise_checks", "CHECKS"),
    "shift": ("shift_checks", "CHECKS"),
    "reader": ("reader_checks", "CHECKS"),
    "launcher": ("launcher_checks", "CHECKS"),
    "tracker": ("tracker_checks", "CHECKS"),
    "ood-score": ("other_checks", "SCORE_CHECKS"),
    "preset": ("other_checks", "FILE_CHECKS"),
    "suite": ("other_checks", "FILE_CHECKS"),
}
"""The module and the name of the checks of a family."""

END = "standard output"
"""The check that ends those of every item."""


def checks_of(family: str) -> tuple[Check, ...]:
    """The checks of a family, in their order; InputError for one without checks."""
    if family not in MODULES:
        raise InputError(f"there are no checks for the family {family!r}", f"families: {', '.join(MODULES)}")
    module, name = MODULES[family]
    checks: tuple[Check, ...] = getattr(importlib.import_module(f"calibench.testing.{module}"), name)
    return checks


def verdicts_of(item: Item, printed: Callable[[], str] = str) -> Iterator[Verdict]:
    """The verdicts on one item, each as it is found; at the end whether anything was printed on standard output.

    `printed()` is text that reached standard output past `sys.stdout`.
    """
    text = io.StringIO()
    for check in checks_of(item.spec.family):
        with contextlib.redirect_stdout(text):
            verdict = verdict_of(check, item, item.title)
        yield verdict
    yield verdict_of(Check(END, _silent), text.getvalue() + printed(), item.title)


def _silent(printed: str) -> None:
    """Fails for any text."""
    if printed:
        first = printed.strip().splitlines()[0][:60] if printed.strip() else "an empty line"
        raise FailsError(f"it prints on standard output: {first!r}", "print on standard error, or warn")


def check_item(
    family: str, name: str, settings: Sequence[str] = (), examples: str | Path | None = None
) -> list[Verdict]:
    """Make every check of one item in this process, and return the verdicts; AssertionError lists those that fail.

    `settings` are values for parameters, as in `halve.factor=0.3`. `examples` is a folder with example files of a reader.
    """
    __tracebackhide__ = True
    spec: Spec = registry().get(family, name).spec
    item = Item(spec, tuple(settings), None if examples is None else Path(examples))
    return assert_ok(list(verdicts_of(item)))


check_method = partial(check_item, "method")
check_dataset = partial(check_item, "dataset")
check_model = partial(check_item, "model")
check_metric = partial(check_item, "metric")
check_noise = partial(check_item, "noise")
check_shift = partial(check_item, "shift")
check_ood_score = partial(check_item, "ood-score")
check_reader = partial(check_item, "reader")
check_launcher = partial(check_item, "launcher")
check_tracker = partial(check_item, "tracker")
