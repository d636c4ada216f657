"""Tell the user's Ctrl-C from a KeyboardInterrupt that a plugin raises itself."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class CutOff:
    """A block of code that notes a SIGINT in `came`, and passes it on to the handler that is there."""

    def __init__(self) -> None:
        self.came = False
        self._before: Any = None

    def __enter__(self) -> None:
        """Take the signal; in another thread than the main one no signal can come."""
        before = signal.getsignal(signal.SIGINT)
        if callable(before) and threading.current_thread() is threading.main_thread():
            self._before = before
            signal.signal(signal.SIGINT, self._note)

    def __exit__(self, *_: object) -> None:
        """Give the signal back, unless the block itself has set another handler."""
        if self._before is not None and signal.getsignal(signal.SIGINT) == self._note:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        self._before(number, frame)
