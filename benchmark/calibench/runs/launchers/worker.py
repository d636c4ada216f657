"""A worker process of the local launcher, which makes one run after another: `python -m ... DESCRIPTOR PARENT PATH`.

PATH is the parent's `sys.path`: modules of the user's script are found as there, and the current folder only if it is there too.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection

from calibench.runs.launchers.messages import Setup, Task
from calibench.runs.launchers.outcome import outcome_of, reporter

LOOK = 1.0
"""Seconds between two looks at the parent: a worker without one ends."""

PAUSE = 0.2
"""The least time between two messages of progress, in seconds."""


def main() -> None:
    """Answer tasks until the parent closes the connection or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    # The number of the parent is told: one that has died by now is no longer above this process.
    descriptor, parent, sys.path[:] = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    connection = Connection(descriptor)
    os.dup2(2, 1)  # a plugin that prints writes to the log
    setup: Setup = connection.recv()
    from calibench.kernels import set_threads

    set_threads(setup.threads)
    while True:
        try:
            task: Task = connection.recv()
        except EOFError:
            return
        connection.send(outcome_of(task, setup.options, reporter(task.number, connection.send, PAUSE)))


def _end_with(parent: int) -> None:
    """End this process when its parent is gone. What it trains is kept up to its last write, and made on by the next sweep."""
    while os.getppid() == parent:
        time.sleep(LOOK)
    os._exit(1)


if __name__ == "__main__":
    main()
