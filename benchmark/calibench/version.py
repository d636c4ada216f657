"""The versions of calibench, which `pyproject.toml` reads from here, and of its interface for plugins."""

__version__ = "0.1.0"
"""The version of the distribution."""

API_VERSION = "1.0"
"""The version of the interface for plugins, `MAJOR.MINOR`; docs/reference/stability.md says what it promises."""
