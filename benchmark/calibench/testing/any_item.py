"""Checks that hold for every kind of item: its description, its annotations, the digest of its code, and that it pickles."""

from __future__ import annotations

import inspect
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from calibench.cache.code import sources_of
from calibench.plugins.params import REQUIRED
from calibench.plugins.specs import DatasetSpec, MethodSpec, MetricSpec, PresetSpec, Spec
from calibench.testing.verdict import DoesNotApplyError, FailsError


@dataclass
class Item:
    """One item of a plugin, with `settings` for its parameters, as `halve.factor=2`, and a folder with example files."""

    spec: Spec
    settings: tuple[str, ...] = ()
    examples: Path | None = None
    memory: dict[str, Any] = field(default_factory=dict)
    """Results that several checks share."""

    @property
    def title(self) -> str:
        """`method halve`."""
        return f"{self.spec.family} {self.spec.name}"

    @cached_property
    def target(self) -> Any:
        """The object that the spec names."""
        return self.spec.load()

    def shared(self, name: str, make: Callable[[], Any], why: str) -> Any:
        """The result of `make`, computed once. A later check, after it failed, does not apply: `why` says what is missing."""
        if name not in self.memory:
            try:
                self.memory[name] = make()
            except BaseException:
                self.memory[name] = DoesNotApplyError(why)
                raise
        if isinstance(self.memory[name], DoesNotApplyError):
            raise self.memory[name]
        return self.memory[name]

    def own_parameters(self) -> dict[str, Any]:
        """The item's own parameters, by `settings` and defaults; does not apply if one is required and not set."""
        from calibench.config.grammar import bind

        pairs = [text.partition("=")[::2] for text in self.settings]
        values = [(key.partition(".")[2], value) for key, value in pairs if key.partition(".")[0] == self.spec.name]
        self.refuse_missing()
        return bind(self.spec, values).own()

    def refuse_missing(self) -> None:
        """DoesNotApplyError if a required parameter has no value."""
        explicit = {text.partition("=")[0].strip() for text in self.settings}
        missing = [p.key for p in self.spec.params if p.default is REQUIRED]
        for key in missing:
            if f"{self.spec.name}.{key}" not in explicit:
                raise DoesNotApplyError(f"it needs a value: --set {self.spec.name}.{key}=VALUE")


def documented(item: Item) -> None:
    """Fails if a field that readers need is empty."""
    spec = item.spec
    needed: tuple[str, ...] = ()
    if isinstance(spec, MethodSpec):
        needed = ("equation", "paper", "use_when", "avoid_when", "cost")
    if isinstance(spec, MetricSpec):
        needed = ("equation",)
    if isinstance(spec, DatasetSpec):
        needed = ("licence", "source")
    empty = [name for name in needed if not getattr(spec, name)]
    if empty:
        raise FailsError(f"its {type(spec).__name__} has no {', '.join(empty)}", "fill it: `calibench show` prints it")
    if not spec.summary.endswith("."):
        raise FailsError(f"the summary {spec.summary!r} is no sentence", "end it with a full stop")
    for param in spec.params if isinstance(spec, MethodSpec) else ():
        bounded = param.minimum is not None or param.maximum is not None or bool(param.choices)
        if param.type in {"int", "float"} and not bounded:
            raise FailsError(f"the parameter {param.key} has no bound", "set minimum, maximum or choices")


def typed(item: Item) -> None:
    """Fails if the package has no py.typed, or a public function of the target lacks an annotation."""
    root = package_root(item)
    if isinstance(item.spec, PresetSpec) or root is None or root.name != "__init__.py":
        raise DoesNotApplyError("a single module cannot have a py.typed" if root else "it is a file")
    if not (root.parent / "py.typed").is_file():
        raise FailsError(
            f"{root.parent.name} has no py.typed",
            "put an empty file py.typed beside __init__.py, and list it as package data",
        )
    for function in _public_functions(item.target):
        for parameter in list(inspect.signature(function).parameters.values()):
            if parameter.annotation is parameter.empty and parameter.name not in {"self", "cls"}:
                raise FailsError(
                    f"{function.__qualname__}: the argument {parameter.name} has no annotation", "annotate it"
                )
        if inspect.signature(function).return_annotation is inspect.Signature.empty:
            raise FailsError(f"{function.__qualname__}: the result has no annotation", "annotate it")


def _public_functions(target: Any) -> Iterator[Any]:
    if not inspect.isclass(target):
        yield from [target] if inspect.isfunction(target) else []
        return
    for name, member in vars(target).items():
        if inspect.isfunction(member) and (not name.startswith("_") or name == "__init__"):
            yield member


def package_root(item: Item) -> Path | None:
    """The `__init__.py` of the package that the target lives in, or its single module; None without a file."""
    module = getattr(item.target, "__module__", None) or item.spec.target.partition(":")[0]
    file = getattr(sys.modules.get(str(module).partition(".")[0]), "__file__", None)
    return None if file is None else Path(file)


def code_counts(item: Item) -> None:
    """Fails if an edit of the target's file does not change the digest that is part of cache keys and records."""
    if isinstance(item.spec, PresetSpec):
        raise DoesNotApplyError("a record holds the digest of the file's text")
    root, source = package_root(item), inspect.getsourcefile(inspect.unwrap(item.target))
    remedy = "let the target live in a module of the plugin's own package, which has an __init__.py"
    if root is None or source is None:
        raise FailsError("no Python file belongs to it, so its cache key never changes", remedy)
    with tempfile.TemporaryDirectory() as folder:
        whole = root.name == "__init__.py"
        copy = Path(folder) / (root.parent.name if whole else root.name)
        if whole:
            shutil.copytree(root.parent, copy, ignore=lambda at, names: _no_sources(Path(at), names))
        else:
            shutil.copy(root, copy)
        start = root.parent if whole else root
        if not Path(source).resolve().is_relative_to(start.resolve()):
            raise FailsError(
                f"its code lies in {source}, outside {start.name}, so an edit changes no cache key", remedy
            )
        edited = copy / Path(source).resolve().relative_to(start.resolve()) if whole else copy
        before = _digest(copy, whole)
        edited.write_text(edited.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
        if _digest(copy, whole) == before:
            raise FailsError(f"an edit of {source} changes no cache key", remedy)


def _no_sources(folder: Path, names: list[str]) -> set[str]:
    return {name for name in names if not name.endswith(".py") and not (folder / name).is_dir()} | {"__pycache__"}


def _digest(path: Path, whole: bool) -> str | None:
    """The digest that `calibench.cache.code` makes of a package or module at `path`."""
    name = "_calibench_copy_of_a_plugin"
    module = type(sys)(name)
    module.__file__ = str(path / "__init__.py" if whole else path)
    sys.modules[name] = module
    try:
        return sources_of(name)
    finally:
        del sys.modules[name]


def pickles(thing: Any, what: str) -> None:
    """Fails if a round trip through pickle raises."""
    try:
        pickle.loads(pickle.dumps(thing))
    except Exception as error:
        remedy = "keep lambdas, open files and local classes out of its attributes: workers of a sweep get it by pickle"
        raise FailsError(f"{what} cannot be pickled: {type(error).__name__}: {error}", remedy) from None
