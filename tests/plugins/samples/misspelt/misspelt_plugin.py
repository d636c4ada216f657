"""A plugin whose hook is misspelt: pluggy alone would never call it, and say nothing."""

import calibench


@calibench.hookimpl
def calibench_method():
    """Should be `calibench_methods`."""
    return []
