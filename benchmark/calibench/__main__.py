"""The command `calibench`, also as `python -m calibench`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. Ctrl-C while its modules load ends it as later: a line, and exit code 130."""
    try:
        from calibench.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(130)
    finally:
        # A Ctrl-C inside `exec` of a text, as dataclasses call it while modules load, leaves a mark in CPython, and `python -m`
        # then ends by signal 2 whatever was caught. The next text that is run takes the mark away.
        exec("")


if __name__ == "__main__":
    main()
