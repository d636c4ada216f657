"""Annotations of GitHub Actions: a line that its runner turns into an error or a notice beside the job.

Source: docs.github.com, "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calibench.evaluation.gate.gate_result import GateResult


def github_annotations(result: GateResult) -> list[str]:
    """`::error title=...::...` for each check that does not hold, `::notice ...` for the others."""
    where = "" if result.file is None else f"file={_property(result.file)},"
    return [
        f"::{'notice' if check.holds else 'error'} {where}title={_property(f'calibench gate: {check.title}')}::{_data(str(check))}"
        for check in result.checks
    ]


def _data(text: str) -> str:
    """The message, in which the runner would read `%` and ends of lines as its own."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """A property, in which `:` and `,` end it too."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
