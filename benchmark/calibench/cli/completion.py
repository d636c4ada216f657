"""`calibench --install-completion` and `--show-completion`: click's completion for bash, zsh and fish."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Callback = Callable[[click.Context, click.Parameter, str | None], None]

SHELLS = ("bash", "zsh", "fish")

LOADED = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n"
"""Before click's script for zsh, which needs compinit."""


def _shell(ctx: click.Context, named: str) -> str:
    """The shell that is named, or that of the user. UsageError if it is none of ours."""
    shell = Path(os.environ.get("SHELL", "")).name if named == "auto" else named
    if shell not in SHELLS:
        raise click.UsageError(f"the shell {shell or 'of SHELL'!r} is none of {', '.join(SHELLS)}; name one", ctx)
    return shell


def _script(ctx: click.Context, shell: str) -> str:
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    source = found(ctx.command, {}, "calibench", "_CALIBENCH_COMPLETE").source()
    return (LOADED if shell == "zsh" else "") + source.strip() + "\n"


def _show(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is None or ctx.resilient_parsing:
        return
    click.echo(_script(ctx, _shell(ctx, value)), nl=False)
    ctx.exit()


def _install(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is None or ctx.resilient_parsing:
        return
    shell = _shell(ctx, value)
    script = _file(shell)
    _write(script, _script(ctx, shell))
    click.echo(f"wrote {script}")
    if shell != "fish":  # fish finds the file by itself
        start = _start_file(shell)
        line = f"source {_quoted(script)}  # completion of calibench"
        text = start.read_text(encoding="utf-8") if start.exists() else ""
        if line not in text.splitlines():
            _write(start, text + ("" if text.endswith("\n") or not text else "\n") + line + "\n")
            click.echo(f"added a line to {start}")
    click.echo("start a new shell, then try: calibench run --method v<TAB>")
    ctx.exit()


def _file(shell: str) -> Path:
    """Where the script goes."""
    home = Path.home()
    if shell == "fish":
        folder = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        return folder / "fish" / "completions" / "calibench.fish"
    folder = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return folder / "calibench" / f"completion.{shell}"


def _start_file(shell: str) -> Path:
    """The file that the shell reads when it starts; the one behind a link, which stays."""
    folder = Path(os.environ.get("ZDOTDIR") or Path.home()) if shell == "zsh" else Path.home()
    return (folder / f".{shell}rc").resolve()


def _write(path: Path, text: str) -> None:
    """The file, whole or not at all; it keeps its permissions."""
    from calibench.atomic import replacing

    mode = path.stat().st_mode if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
        if mode is not None:
            temporary.chmod(mode)


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def _option(name: str, callback: Callback, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option with an optional shell, which ends the command."""
    settings: dict[str, Any] = {
        "is_flag": False,
        "flag_value": "auto",
        "metavar": "[SHELL]",
        "expose_value": False,
        "is_eager": True,
    }
    return click.option(name, callback=callback, help=text, **settings)


show_option = _option("--show-completion", _show, "Print the completion of bash, zsh or fish, and exit.")
install_option = _option("--install-completion", _install, "Set up completion for your shell, and exit.")
