"""The fixture and the marker `calibench_gate`: a test fails, in the words of `calibench gate`, if a limit does not hold.

For authors of plugins, `calibench_check` makes every check of an item, and `calibench_toy` is toy data.

pytest loads this module in every run of an environment with calibench, so it imports calibench's code when a test calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from calibench.data.arrays import Arrays
    from calibench.evaluation.gate.gate_result import GateResult
    from calibench.testing.verdict import Verdict

NAME = "calibench_gate"
MARKER = f"{NAME}(**arguments): arguments of calibench.gate for the fixture {NAME}, as max={{'ece15': 0.03}}"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, so that --strict-markers knows it."""
    config.addinivalue_line("markers", MARKER)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a marked test without the fixture: its limits would check nothing."""
    for item in items:
        marked = item.get_closest_marker(NAME)
        if marked is None:
            continue
        if marked.args:
            raise pytest.UsageError(
                f"{item.nodeid}: the marker {NAME} takes arguments by name, as max={{'ece15': 0.03}}"
            )
        if NAME not in getattr(item, "fixturenames", ()):
            raise pytest.UsageError(f"{item.nodeid} has the marker {NAME} and does not use the fixture {NAME}")


@pytest.fixture
def calibench_gate(request: pytest.FixtureRequest) -> Iterator[Callable[..., GateResult]]:
    """`calibench_gate(probs=p, labels=y, max={"ece15": 0.03})`: fail the test unless the data show every limit.

    It takes the arguments of `calibench.gate` and returns its result. The marker of the same name gives arguments that all calls
    of a test share; those of the call win. A marked test must call it.
    """
    marked: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers(NAME))):  # the test's own marker comes last, and wins
        marked.update(marker.kwargs)
    calls = 0

    def gate(*args: Any, **kwargs: Any) -> GateResult:
        nonlocal calls
        calls += 1
        __tracebackhide__ = True
        import calibench

        try:
            result = calibench.gate(*args, **{**marked, **kwargs})
        except calibench.InputError as error:
            pytest.fail(f"error: {error.message}\nhint: {error.hint}", pytrace=False)
        if not result.passed:
            pytest.fail(str(result), pytrace=False)
        return result

    yield gate
    if marked and not calls:
        pytest.fail(f"the test has the marker {NAME} and never called the fixture {NAME}", pytrace=False)


@pytest.fixture
def calibench_check() -> Callable[..., list[Verdict]]:
    """`calibench_check("method", "halve")`: make every check of one item; the test fails with those that fail, a line each.

    It takes the arguments of `calibench.testing.check_item` and returns the verdicts.
    """

    def check(family: str, name: str, **options: Any) -> list[Verdict]:
        __tracebackhide__ = True
        from calibench.errors import CalibenchError
        from calibench.testing import check_item

        try:
            return check_item(family, name, **options)
        except AssertionError as error:
            reason = str(error)
        except CalibenchError as error:
            reason = f"error: {error.message}\nhint: {error.hint}"
        pytest.fail(reason, pytrace=False)

    return check


@pytest.fixture
def calibench_toy() -> Arrays:
    """Small images of three classes in four splits: `calibench.testing.toy_arrays()`."""
    from calibench.testing import toy_arrays

    return toy_arrays()
