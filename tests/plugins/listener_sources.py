"""Sources of plugins that listen to runs."""

from __future__ import annotations

from calibench.plugins.events import EVENTS

HEAD = "import calibench\nheard = []\n"

EAR = HEAD + "".join(
    f"@calibench.hookimpl\ndef {hook}(event):\n    heard.append(('{hook.removeprefix('calibench_')}', event))\n"
    for hook in EVENTS
)
"""A plugin that keeps every event in the list `heard`, with the name of its hook."""

FILE_EAR = "import calibench, dataclasses, json, os\n" + "".join(
    f"""
@calibench.hookimpl
def {hook}(event):
    line = {{"hook": "{hook.removeprefix("calibench_")}", "pid": os.getpid(), **dataclasses.asdict(event)}}
    with open(os.environ["EAR_FILE"], "a") as file:
        file.write(json.dumps(line) + "\\n")
"""
    for hook in EVENTS
)
"""A plugin that appends every event to a file, for processes beside this one."""

DRAWS = HEAD + "".join(
    f"""
@calibench.hookimpl
def {hook}():
    import random, numpy, torch
    random.seed(0), numpy.random.seed(0), torch.manual_seed(0)
    heard.append((random.random(), numpy.random.rand(), torch.rand(3)))
"""
    for hook in EVENTS
)
"""A plugin that seeds and draws from every global generator; its hooks take no argument."""

RAISES = HEAD + "".join(
    f"@calibench.hookimpl\ndef {hook}(event):\n    heard.append('{hook}')\n    raise {error}('no disk')\n"
    for hook, error in zip(
        EVENTS, ["ValueError", "SystemExit", "RuntimeError", "OSError", "KeyError", "TypeError"], strict=True
    )
)
"""A plugin whose every hook raises."""
