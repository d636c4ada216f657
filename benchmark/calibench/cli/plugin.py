"""`calibench plugin`: write a plugin, check one, and list those that are installed."""

from __future__ import annotations

import click

from calibench.cli.plugin_check import check
from calibench.cli.plugin_list import list_plugins
from calibench.cli.plugin_new import new


@click.group(short_help="Write a plugin of your own, check one, or list those that are there.")
def plugin() -> None:
    """Write a plugin of your own, check one, or list those that are there.

    \b
    calibench plugin new my-method                a package with a working example
    calibench plugin check my-method/             every check of it, a line each
    calibench plugin check my_method.py           the same of a single file
    calibench plugin list                         what is installed, and what failed
    """


plugin.add_command(new)
plugin.add_command(check)
plugin.add_command(list_plugins)
