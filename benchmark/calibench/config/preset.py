"""Preset files (TOML), read and checked down to the key. Keys are named like the options of the command line.

```toml
method = ["ce", "vtst"]       # recipes; dataset, model, noise: a name each; shift, ood, ood_score: one or several
seed = [0, 1]
[train]                       # settings of stage 1, whichever objective a recipe begins with
epochs = 20
[set.vtst]                    # settings of one part of the run, as --set vtst.latent_dim=64
latent_dim = 64
```

`paper` and `notes` are for the reader: the paper that the preset repeats, and settings that it cannot express.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calibench.config.grammar import parse_piece
from calibench.config.recipe import ordered_stages
from calibench.config.run_config import TRAIN, Setting
from calibench.config.toml_text import read_toml
from calibench.config.values import read_value
from calibench.errors import InputError, did_you_mean
from calibench.files.regular_file import open_regular
from calibench.plugins.discovery import registry
from calibench.plugins.params import TRAINING_PARAMS, Param
from calibench.plugins.specs import Spec

SINGLE_KEYS, LIST_KEYS = ("dataset", "model", "noise"), ("method", "shift", "ood", "ood_score")
"""Keys that hold one name, and keys that hold one or several."""
KEYS = (*LIST_KEYS, *SINGLE_KEYS, "seed", TRAIN, "set", "paper", "notes")
SUFFIX = ".toml"
LONGEST = 1 << 20
"""Bytes; a longer file is refused."""


@dataclass(frozen=True)
class Preset:
    """A checked preset. `settings` are `(part, key, value)`; the part `train` means stage 1."""

    name: str
    text: str = field(repr=False)
    options: Mapping[str, tuple[str, ...]]
    seeds: tuple[int, ...]
    settings: tuple[Setting, ...]
    paper: str = ""
    notes: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def one(self, key: str) -> str | None:
        """The name under a key, or None."""
        return next(iter(self.options.get(key, ())), None)


def is_file(name: str) -> bool:
    """True if the name of a preset is a path: it ends in `.toml` or has folders."""
    return name.endswith(SUFFIX) or "/" in name or "\\" in name


def load_preset(name: str | Path) -> Preset:
    """The preset of a plugin by its name, or of a file by its path; InputError names the bad key."""
    if isinstance(name, Path):
        return read_preset(text_of_file(name), str(name))
    if not isinstance(name, str):
        raise InputError(f"preset={name!r} is a {type(name).__name__}, not a name or a path", "as preset='quick'")
    if is_file(name):
        return read_preset(text_of_file(Path(name)), name)
    reg = registry()
    if ("preset", name) not in reg.entries and Path(f"{name}{SUFFIX}").is_file():
        raise InputError(f"there is no preset called {name!r}", f"name the file as {name}{SUFFIX}")
    return read_preset(reg.get("preset", name).spec.load(), name)


def read_preset(text: str, name: str) -> Preset:
    """The preset in a TOML text; InputError names the key that is unknown, of the wrong type or out of bounds."""
    where = f"preset {name}"
    content = read_toml(text, where, 'text stands in quotes, as in dataset = "digits"')
    for key in content:
        if key not in KEYS:
            raise InputError(f"{where}: unknown key {key!r}", _place_of(key))
    options = {
        key: read_texts(content[key], f"{where}: {key}", several=key in LIST_KEYS)
        for key in (*LIST_KEYS, *SINGLE_KEYS)
        if key in content
    }
    if "method" not in options:
        raise InputError(f"{where}: there is no 'method'", 'as in method = ["ce", "vtst"]')
    return Preset(
        name=name,
        text=text,
        options=options,
        seeds=read_seeds(content.get("seed", 0), f"{where}: seed"),
        settings=read_settings(content, [options], where),
        paper=read_texts(content["paper"], f"{where}: paper", several=False)[0] if "paper" in content else "",
        notes=read_texts(content["notes"], f"{where}: notes", several=True) if "notes" in content else (),
    )


def text_of_file(path: Path, what: str = "preset") -> str:
    """The text of a preset or suite; InputError if it cannot be read, is no UTF-8 or longer than `LONGEST`."""
    try:
        with open_regular(path) as stream:
            content = bytes(stream.read(LONGEST + 1))
        text = content.decode("utf-8")
    except OSError as error:
        raise InputError(f"cannot read the {what} {str(path)!r}: {error.strerror or error}", "check the path") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{what} {path}: not UTF-8 text (byte {error.start})", "save it as UTF-8") from None
    if len(content) > LONGEST:
        raise InputError(f"{what} {path}: it has more than {LONGEST >> 20} MiB", f"is it a {what}?")
    return text


def _place_of(key: str) -> str:
    """The hint for an unknown key."""
    if any(param.key == key for param in TRAINING_PARAMS):
        return f"settings of stage 1 stand under [{TRAIN}]"
    if any(entry.spec.name == key for family in ("method", *SINGLE_KEYS) for entry in registry().all(family)):
        return f"settings of one part of the run stand under [set.{key}]"
    return did_you_mean(key, KEYS)


def kind_of_value(value: Any) -> str:
    """The kind of a TOML value, for messages."""
    kinds = {bool: "a true or false", int: "a whole number", float: "a number", str: "a text", list: "a list"}
    return "a table" if isinstance(value, dict) else kinds.get(type(value), "a date or time")


def read_texts(value: Any, where: str, *, several: bool) -> tuple[str, ...]:
    """One text, or with `several` a list of them; InputError for anything else."""
    texts = value if several and isinstance(value, list) else [value]
    not_texts = [item for item in texts if not isinstance(item, str)]
    if not_texts or not texts or not all(text.strip() for text in texts):
        problem = f"holds {kind_of_value(not_texts[0])}" if not_texts else "is empty"
        raise InputError(f"{where} {problem}", "give a text, or a list of texts" if several else "give a text")
    return tuple(texts)


def read_seeds(value: Any, where: str) -> tuple[int, ...]:
    """One seed or a list of them; InputError for anything else."""
    seeds = value if isinstance(value, list) else [value]
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
            message = f"{where} holds {kind_of_value(seed)}, {seed!r}"
            raise InputError(message, "give a whole number from 0 up, or a list, as [0, 1, 2]")
    if not seeds:
        raise InputError(f"{where} is empty", "leave it out for 0")
    return tuple(seeds)


def read_settings(
    content: Mapping[str, Any], runs: Sequence[Mapping[str, tuple[str, ...]]], where: str
) -> tuple[Setting, ...]:
    """The settings under `train` and `set`, each value checked against its parameter; `runs` name the parts that there are."""
    with _within(where):
        specs = {name: spec for options in runs for name, spec in _parts(options).items()}
    parts = content.get("set", {})
    if not isinstance(parts, dict):
        raise InputError(f"{where}: set holds {kind_of_value(parts)}", "give a table for each part, as [set.vtst]")
    train = content.get(TRAIN, {})
    settings = []
    for part, table in {TRAIN: train, **parts}.items():
        table_name = f"{where}: [{TRAIN}]" if table is train else f"{where}: [set.{part}]"
        if not isinstance(table, dict):
            raise InputError(f"{table_name} holds {kind_of_value(table)}", "give a table of settings, as [set.vtst]")
        if table is not train and part not in specs:
            raise InputError(f"{table_name}: {part!r} is no part of this run", did_you_mean(part, specs))
        all_params = TRAINING_PARAMS if table is train else specs[part].all_params()
        params = {param.key: param for param in all_params}
        for key, value in table.items():
            if key not in params:
                raise InputError(f"{table_name}: there is no parameter {key!r}", did_you_mean(key, params))
            if table is not train and key in train and getattr(specs[part], "kind", "") == "objective":
                raise InputError(f"{table_name}: {key!r} stands under [{TRAIN}] too", "keep one of the two")
            settings.append((part, key, _text_of(value, params[key], table_name)))
    return tuple(settings)


def _parts(options: Mapping[str, tuple[str, ...]]) -> dict[str, Spec]:
    """The spec of every part of the preset's runs, by name."""
    reg = registry()
    specs: dict[str, Spec] = {spec.name: spec for recipe in options["method"] for spec, _ in ordered_stages(recipe)}
    for family in SINGLE_KEYS:
        if family in options:
            spec = reg.get(family, parse_piece(options[family][0]).name).spec
            specs[spec.name] = spec
        elif family != "noise":
            spec = reg.default(family).spec
            specs[spec.name] = spec
    return specs


_PYTHON: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "path": (str,),
}


def _text_of(value: Any, param: Param, where: str) -> str:
    """The value as text, as on the command line; InputError for another type than the parameter's, or a value out of bounds."""
    is_list = param.type in {"ints", "floats"}
    kind = param.type.removesuffix("s") if is_list else param.type
    items = value if is_list and isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, _PYTHON[kind]) or (isinstance(item, bool) and kind != "bool"):
            expected = {"int": "a whole number", "float": "a number", "bool": "true or false"}.get(kind, "a text")
            message = f"{where}: {param.key} holds {kind_of_value(item)}, {item!r}"
            raise InputError(message, f"give {expected}{', or a list' if is_list else ''}: {param.meaning}")
    text = ";".join(str(item).lower() if isinstance(item, bool) else str(item) for item in items)
    read_value(param, text, where)
    return text


@contextmanager
def _within(where: str) -> Iterator[None]:
    """Put `where` in front of an InputError of the block."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error.message}", error.hint) from None
