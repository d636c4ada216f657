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


if __name__ == "__main__":
    main()
