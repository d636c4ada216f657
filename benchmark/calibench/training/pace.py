"""How far a training is and how fast, for whoever watches: after every epoch, and within a long one."""

from __future__ import annotations

import time

from calibench.progress import Report

TELL = 0.5
"""Least seconds between two reports within an epoch."""


class Pace:
    """Reports on one training of `epochs`; `done` is epochs, a fraction within one, and the note begins with samples/s."""

    def __init__(self, report: Report, what: str, epochs: int, done: int = 0) -> None:
        self.report, self.what, self.epochs = report, what, epochs
        self.note = ""
        self.begin()
        if done:
            report(what, done, epochs, "resumed")

    def begin(self) -> None:
        """An epoch begins: its own rate is what is told, free of validation and of an earlier epoch's compiling."""
        self.rows, self.began = 0, time.perf_counter()
        self.told = self.began

    def step(self, done: float, rows: int) -> None:
        """So many more rows have been trained on, and `done` epochs."""
        self.rows += rows
        now = time.perf_counter()
        self.seconds = now - self.began
        if now - self.told >= TELL:
            self.told = now
            self.report(self.what, done, self.epochs, self._note())

    def epoch(self, done: int, note: str) -> None:
        """An epoch has ended, and validation says `note`."""
        self.note = note
        self.report(self.what, done, self.epochs, self._note())

    def stop(self, done: int) -> None:
        """The training ends before its time: so many epochs were all."""
        self.report(self.what, done, done, f"{self._note()}, ended early")

    def _note(self) -> str:
        rate = f"{self.rows / max(self.seconds, 1e-9):,.0f} samples/s"
        return f"{rate}, {self.note}" if self.note else rate
