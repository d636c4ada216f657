"""From the names in a file of weights to those of a network, by four rules.

A network's names are those of `network.state_dict()`: `body.` or `head.`, then the names in the model's module. The rules
apply to the names in a file, in this order:
1. `checkpoint_part=PREFIX` takes the names that begin with PREFIX, and removes it, if the file holds more than this network;
2. `checkpoint_rename=OLD=NEW;...` replaces text in every name, pair after pair;
3. a component with which all names begin (`module.` of DataParallel, `model.` or `net.` of Lightning, `_orig_mod.` of
   torch.compile) is removed, and the next one, until the names begin like the network's;
4. `body.` may be missing, and `head` may be called `fc`, `linear` or `classifier`.
"""

from __future__ import annotations

from collections.abc import Collection

from calibench.errors import InputError

HEADS = ("head", "fc", "linear", "classifier")
SHOWN = 3


def first_few(names: Collection[str]) -> str:
    """The first three names and how many more there are, for messages."""
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(list(names)[:SHOWN]) + rest


def network_names(
    file_names: Collection[str], names: Collection[str], part: str, rename: str, path: str
) -> dict[str, str]:
    """For each name in the file the name by the rules, which the network may not have; InputError if two become one.

    `names` are the network's; `part`, `rename` and `path` are the checkpoint's parameters.
    """
    renamed = {name: name.removeprefix(part) for name in file_names if name.startswith(part)}
    if not renamed:
        raise InputError(f"{path}: no name begins with checkpoint_part={part}", f"it holds {first_few(file_names)}")
    for pair in rename.split(";") if rename else ():
        renamed = _replaced(renamed, pair, path)
    renamed = {old: _with_root(new, names) for old, new in _unwrapped(renamed, names).items()}
    last = {new: old for old, new in renamed.items()}
    for old, new in renamed.items():
        if last[new] != old:
            raise InputError(f"{path}: {old!r} and {last[new]!r} both become {new!r}", "rename one of them differently")
    return renamed


def _replaced(renamed: dict[str, str], pair: str, path: str) -> dict[str, str]:
    """With OLD replaced by NEW in every name, for a pair `OLD=NEW`."""
    old, equals, new = pair.partition("=")
    if not equals or not old:
        message = f"checkpoint_rename: {pair!r} is not old=new"
        raise InputError(message, "join pairs by ';', as in stem=conv1;.w=.weight")
    if not any(old in name for name in renamed.values()):
        raise InputError(f"{path}: checkpoint_rename: no name holds {old!r}", f"they are {first_few(renamed.values())}")
    return {file_name: name.replace(old, new) for file_name, name in renamed.items()}


def _unwrapped(renamed: dict[str, str], names: Collection[str]) -> dict[str, str]:
    """Without the components with which all begin, up to one with which the network's names begin."""
    roots = {"body", *HEADS, *(name.removeprefix("body.").partition(".")[0] for name in names)}
    while True:
        first = {name.partition(".")[0] for name in renamed.values()}
        if len(first) > 1 or first & roots or not all("." in name for name in renamed.values()):
            return renamed
        renamed = {file_name: name.partition(".")[2] for file_name, name in renamed.items()}


def _with_root(name: str, names: Collection[str]) -> str:
    """With `body.` or `head.` in front, if it is missing."""
    first, _, rest = name.partition(".")
    if name in names or first == "body":
        return name
    return f"head.{rest}" if first in HEADS and f"body.{name}" not in names else f"body.{name}"
