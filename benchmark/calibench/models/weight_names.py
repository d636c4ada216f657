"""From the names in a file of weights to those of a network, by four rules.

A network's names are those of `network.state_dict()`: `body.` or `head.`, then what the model's module says. In a file
1. `checkpoint_part=PREFIX` takes the names that begin so, without it, where the file holds more than this network;
2. `checkpoint_rename=OLD=NEW;...` replaces text in every name, pair after pair;
3. what all names begin with (`module.` of DataParallel, `model.` or `net.` of Lightning, `_orig_mod.` of torch.compile)
   falls away, component by component, until the names begin as the network's do;
4. `body.` may be left out, and `head` may be called `fc`, `linear` or `classifier`.
"""

from __future__ import annotations

from collections.abc import Collection

from calibench.errors import InputError

HEADS = ("head", "fc", "linear", "classifier")
SHOWN = 3


def few(names: Collection[str]) -> str:
    """The first few of them and how many more there are, for messages."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(list(names)[:SHOWN]) + more


def our_names(held: Collection[str], ours: Collection[str], part: str, rename: str, path: str) -> dict[str, str]:
    """The network's name of every name that is `held`, as far as the rules lead; InputError where two become one."""
    names = {name: name.removeprefix(part) for name in held if name.startswith(part)}
    if not names:
        raise InputError(f"{path}: no name begins with checkpoint_part={part}", f"it holds {few(held)}")
    for pair in rename.split(";") if rename else ():
        names = _replaced(names, pair, path)
    names = {name: _own(now, ours) for name, now in _unwrapped(names, ours).items()}
    last = {now: name for name, now in names.items()}
    for name, now in names.items():
        if last[now] != name:
            raise InputError(f"{path}: {name!r} and {last[now]!r} both become {now!r}", "rename one of them otherwise")
    return names


def _replaced(names: dict[str, str], pair: str, path: str) -> dict[str, str]:
    old, equals, new = pair.partition("=")
    if not equals or not old:
        raise InputError(
            f"checkpoint_rename: {pair!r} is not old=new", "join pairs by ';', as in stem=conv1;.w=.weight"
        )
    if not any(old in now for now in names.values()):
        raise InputError(f"{path}: checkpoint_rename: no name holds {old!r}", f"they are {few(names.values())}")
    return {name: now.replace(old, new) for name, now in names.items()}


def _unwrapped(names: dict[str, str], ours: Collection[str]) -> dict[str, str]:
    """Without the components that all share, down to one that the network begins with."""
    known = {"body", *HEADS, *(name.removeprefix("body.").partition(".")[0] for name in ours)}
    while True:
        first = {now.partition(".")[0] for now in names.values()}
        if len(first) > 1 or first & known or not all("." in now for now in names.values()):
            return names
        names = {name: now.partition(".")[2] for name, now in names.items()}


def _own(name: str, ours: Collection[str]) -> str:
    first, _, rest = name.partition(".")
    if name in ours or first == "body":
        return name
    return f"head.{rest}" if first in HEADS and f"body.{name}" not in ours else f"body.{name}"
