"""Pace: reports how far a training is and how fast, after every epoch and within a long one."""

from __future__ import annotations

import time

from calibench.progress import Report

REPORT_SECONDS = 0.5
"""Least seconds between two reports within an epoch."""


class Pace:
    """Reports on one training of `epochs`. `done` counts epochs, with a fraction within one; the note begins with samples/s."""

    def __init__(self, report: Report, what: str, epochs: int, done: int = 0) -> None:
        self.report, self.what, self.epochs = report, what, epochs
        self.note = ""
        self.begin()
        if done:
            report(what, done, epochs, "resumed")

    def begin(self) -> None:
        """Start an epoch. Its rate counts neither validation nor the compiling of an earlier epoch."""
        self.rows, self.start = 0, time.perf_counter()
        self.last_report = self.start

    def step(self, done: float, rows: int) -> None:
        """Count a batch of `rows` rows, after which `done` epochs are done."""
        self.rows += rows
        now = time.perf_counter()
        self.seconds = now - self.start
        if now - self.last_report >= REPORT_SECONDS:
            self.last_report = now
            self.report(self.what, done, self.epochs, self._note())

    def epoch(self, done: int, note: str) -> None:
        """Report the end of an epoch; `note` is about its validation."""
        self.note = note
        self.report(self.what, done, self.epochs, self._note())

    def stop(self, done: int) -> None:
        """Report that the training ends early, after `done` epochs."""
        self.report(self.what, done, done, f"{self._note()}, ended early")

    def _note(self) -> str:
        rate = f"{self.rows / max(self.seconds, 1e-9):,.0f} samples/s"
        return f"{rate}, {self.note}" if self.note else rate
