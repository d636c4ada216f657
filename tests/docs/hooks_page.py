"""docs/reference/hooks.md from the hooks' signatures and docstrings: `python tests/docs/hooks_page.py` writes it anew."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from record_page import explained_fields

from calibench.plugins import hookspecs, lifecycle_hookspecs
from calibench.plugins.events import EVENTS, RunFacts

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "hooks.md"
WIDTH = 100

TOP = """\
# Hooks: every hook with its arguments

A plugin is a module with functions under `@calibench.hookimpl`, each with the name of a hook.
[The guide](../guides/plugins.md) shows how to register one. Written by
`python tests/docs/hooks_page.py`, from `plugins/hookspecs.py`, `plugins/lifecycle_hookspecs.py` and
`plugins/events.py`.

## Hooks that describe

They run once a process, when a name is first looked up, and return descriptions. None takes an
argument.
"""

LIFECYCLE = """
## Lifecycle hooks

They tell a plugin of every run of `calibench run`, `calibench.run` and `calibench sweep`. Each
takes one argument, `event`, a frozen dataclass of plain values; a function may leave it out. What
it returns is ignored.

- **Order.** `calibench_run_started`, then epochs, stages and figures as they come, then
  `calibench_run_finished`, also for a run that fails or is interrupted. A run that is stored
  already tells `calibench_run_finished` alone. A run whose data or settings are refused tells
  nothing; nor do the trials of `--tune`.
- **Process.** The hooks fire in the process that makes the run: a worker of `--jobs` or of a
  sweep, a task of Ray, the first process of `torchrun`. `calibench_sweep_cell_finished` fires in
  the process of the sweep.
- **Errors.** An exception in a hook ends no run. A warning names it, with its plugin, once a
  process; later calls go on. Ctrl-C passes.
- **Figures.** The global random generators of Python, numpy and torch are put back after each call,
  and the seconds of hooks are in no timing of a record: a plugin that listens changes no figure.
- **Cost.** Without a plugin that implements a hook no event is built.

[trackers.md](../guides/trackers.md) switches on TensorBoard, W&B, MLflow and Comet, and shows how
to write a tracker.
"""


def signature(function: object) -> str:
    """`calibench_run_started(event: RunStarted) -> None`, as the code has it."""
    assert callable(function)
    found = inspect.signature(function)
    takes = ", ".join(f"{name}: {param.annotation}" for name, param in found.parameters.items())
    return f"{function.__name__}({takes}) -> {found.return_annotation}"


def hooks_of(module: object) -> Iterator[object]:
    """The hooks that a module declares, in its order."""
    yield from (member for member in vars(module).values() if hasattr(member, "calibench_spec"))


def section(hook: object) -> str:
    """The heading and the text of a hook, with its example if it is a lifecycle hook."""
    text = inspect.getdoc(hook) or ""
    if hook.__name__ not in EVENTS:  # type: ignore[attr-defined]
        text = wrapped(re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    else:
        prose, _, example = text.partition("```")
        text = f"{wrapped(prose)}\n\n```{example}"
    return f"\n### `{signature(hook)}`\n\n{text}\n"


def wrapped(text: str) -> str:
    """Paragraphs with lines of at most `WIDTH`."""
    return "\n\n".join(textwrap.fill(" ".join(part.split()), WIDTH) for part in text.split("\n\n") if part.strip())


def fields(kind: type) -> str:
    """A list of the fields of an event."""
    lines = [f"- **`{name}`** (`{type_}`): {text}" for name, (type_, text) in explained_fields(kind).items()]
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False) for line in lines)


def page() -> str:
    """The whole page."""
    text = TOP + "".join(section(hook) for hook in hooks_of(hookspecs)) + LIFECYCLE
    for hook in hooks_of(lifecycle_hookspecs):
        kind = EVENTS[hook.__name__]  # type: ignore[attr-defined]
        text += section(hook) + f"\n`{kind.__name__}`:\n\n{fields(kind)}\n"
    return text + f"\n## `RunFacts`\n\n{wrapped(inspect.getdoc(RunFacts) or '')}\n\n{fields(RunFacts)}\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
