"""GateResult: the checks of a gate, whether all hold, and the JSON document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from calibench.evaluation.gate.check import Check
from calibench.records import schemas


@dataclass(frozen=True)
class GateResult:
    """The outcome of a gate over N samples. It is true if every check holds: `assert calibench.gate(...)`."""

    checks: tuple[Check, ...]
    confidence: float
    """The confidence of each bound, a fraction."""
    n: int
    """The number of samples."""
    warnings: tuple[str, ...] = ()
    """What may be wrong with the samples, a sentence each, as in `calibench.evaluate`."""
    file: str | None = None
    """The file that was judged, if it came from one."""
    notes: tuple[str, ...] = ()
    """How the file was read, a sentence each."""

    @property
    def passed(self) -> bool:
        """True if every check holds."""
        return all(check.holds for check in self.checks)

    @property
    def summary(self) -> str:
        """One sentence: `gate passed: 2 of 2 checks hold at 95 % confidence, 10000 samples`."""
        held = sum(check.holds for check in self.checks)
        word = "passed" if self.passed else "failed"
        verb = "check holds" if len(self.checks) == 1 else "checks hold"
        confidence = f"{100 * self.confidence:g} % confidence"
        return f"gate {word}: {held} of {len(self.checks)} {verb} at {confidence}, {self.n} samples"

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        return "\n".join([*map(str, self.checks), self.summary])

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of `calibench gate --json`."""
        return {
            "schema": schemas.GATE,
            "passed": self.passed,
            "confidence": self.confidence,
            "n": self.n,
            **({} if self.file is None else {"file": self.file}),
            "checks": [check.to_dict() for check in self.checks],
            "warnings": list(self.warnings),
            "notes": list(self.notes),
        }
