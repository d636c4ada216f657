"""Specs: the small frozen descriptions that plugins return. `target` is loaded when it is used, so listing imports no torch."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from calibench.errors import CalibenchError, PluginError
from calibench.plugins.params import CHECKPOINT_PARAMS, NOISE_PARAMS, SPLIT_PARAMS, TRAINING_PARAMS, Param

StageKind = Literal["objective", "refit", "sampler", "ensemble", "calibrator", "decision"]

STAGE_ORDER: tuple[StageKind, ...] = ("objective", "refit", "sampler", "ensemble", "calibrator", "decision")
"""A recipe's stages stand in this order; only calibrators may follow one another."""

NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*\Z")
"""The names of items: lower-case letters and digits, with single hyphens or underscores."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The fields of every spec: the name that users type, a one-line summary, and the lazy target that does the work."""

    family: ClassVar[str] = ""
    from_caller: ClassVar[bool] = False
    """True for an object that the calling program passes: no plugin offers it."""

    _target_form: ClassVar[re.Pattern[str]] = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")
    _target_example: ClassVar[str] = "'module:attribute'"

    name: str
    summary: str
    target: str
    params: tuple[Param, ...] = ()
    paper: str = ""
    deviations: tuple[str, ...] = ()
    default: bool = False
    """True for the spec that is used if the user names none of its kind; at most one plugin may claim it."""

    def __post_init__(self) -> None:
        subject = f"{type(self).__name__} {self.name!r}"
        if not isinstance(self.name, str) or not NAME.match(self.name):
            raise PluginError(
                f"{subject}: a name is lower-case letters, digits and single hyphens, as in 'label-smoothing'"
            )
        if not self.summary or "\n" in self.summary:
            raise PluginError(f"{subject}: the summary must be one line")
        if not self._target_form.match(self.target):
            raise PluginError(f"{subject}: target {self.target!r} is not {self._target_example}")
        keys = [param.key for param in self.all_params()]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice:
            raise PluginError(
                f"{subject}: the parameter key {twice!r} is declared twice, or is one that calibench adds"
            )

    def all_params(self) -> tuple[Param, ...]:
        """The plugin's own parameters, then those that calibench adds to every spec of this kind."""
        return (*self.params, *self.shared_params())

    def shared_params(self) -> tuple[Param, ...]:
        """Parameters that calibench reads itself; they are not passed to `target`."""
        return ()

    def load(self) -> Any:
        """The object that `target` names; importing it may import torch. PluginError if that fails."""
        module, _, attribute = self.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except CalibenchError:
            raise
        except Exception as error:
            message = f"{self.family} {self.name!r} cannot be loaded: {type(error).__name__}: {error}"
            hint = f"its target is {self.target!r}; calibench list {self.family}s names its distribution"
            raise PluginError(message, hint) from error


@dataclass(frozen=True, kw_only=True)
class UseSpec(Spec):
    """A spec that says in a line each when a reader should use it, when not, and what it costs."""

    equation: str = ""
    use_when: str = ""
    avoid_when: str = ""
    """The situation in which it does not help or does harm."""
    cost: str = ""
    """Time and memory beside those of `ce`, such as "two forward passes a step"."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("use_when", "avoid_when", "cost"):
            if "\n" in getattr(self, key):
                raise PluginError(f"{self.family} {self.name!r}: {key} must be one line")


@dataclass(frozen=True, kw_only=True)
class MethodSpec(UseSpec):
    """A stage of a recipe. `target` is a subclass of the base class of its `kind`, as in `calibench.Calibrator`."""

    family: ClassVar[str] = "method"

    kind: StageKind
    advice_order: int = 0
    """Of a calibrator that the advice of `calibench evaluate` tries: its place, the simplest map first. 0: it is not tried."""
    advice_per_class: float = 0
    """The advice tries it only on so many samples a class: for a map that fits numbers of every class."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind not in STAGE_ORDER:
            raise PluginError(f"method {self.name!r} has kind {self.kind!r}", f"use one of {', '.join(STAGE_ORDER)}")

    def shared_params(self) -> tuple[Param, ...]:
        """The settings of calibench's training loop, for every objective."""
        return TRAINING_PARAMS if self.kind == "objective" else ()


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """A source of arrays. `target` is called as `target(**params)` and returns `calibench.data.Arrays`."""

    family: ClassVar[str] = "dataset"

    licence: str = ""
    source: str = ""
    near_ood: tuple[str, ...] = ()
    far_ood: tuple[str, ...] = ()
    """Datasets, as `--ood` names them, of other classes: near ones resemble this dataset, far ones do not."""
    stored_outputs: bool = False
    """True if the rows are outputs of a classifier that is not here: only calibrators and decisions can follow."""

    def shared_params(self) -> tuple[Param, ...]:
        """The shares and the seed of the splits that are held out of the training rows."""
        return SPLIT_PARAMS


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Spec):
    """A network. `target` is called as `target(task, **params)` and returns `calibench.models.Network`."""

    family: ClassVar[str] = "model"

    comes_trained: bool = False
    """True for a network that always comes trained: it takes no checkpoint."""

    def shared_params(self) -> tuple[Param, ...]:
        """The checkpoint with trained weights, in place of stage 1."""
        return () if self.comes_trained else CHECKPOINT_PARAMS


@dataclass(frozen=True, kw_only=True)
class NoiseSpec(Spec):
    """A model of wrong labels. `target` is called as `target(labels, num_classes, generator, **params)`, once a split.

    It returns labels, or `calibench.data.noise.Noisy`: labels with the transition matrix that they are drawn by.

    `needs` lists further keyword arguments: `ids [N]`, the numbers of the rows in the dataset's own training arrays, and
    `x [N, ...]`, the rows. `licence` and `source` are those of labels from a file; they go into the record.
    """

    family: ClassVar[str] = "noise"

    needs: tuple[Literal["ids", "x"], ...] = ()
    licence: str = ""
    source: str = ""

    def shared_params(self) -> tuple[Param, ...]:
        """The splits whose labels it changes."""
        return NOISE_PARAMS

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = sorted(set(self.needs) - {"ids", "x"})
        if unknown:
            raise PluginError(f"noise {self.name!r} needs {unknown[0]!r}", "`needs` may list ids and x")


@dataclass(frozen=True, kw_only=True)
class ShiftSpec(Spec):
    """A way in which test rows may differ from training rows. `target` is called as `target(task, **params)`.

    `task` is a `calibench.data.shift.ShiftTask`. The target returns `calibench.Variant`s, or `calibench.data.shift.Shifted`.
    It is called before anything is trained, and raises InputError for data that it cannot change.
    """

    family: ClassVar[str] = "shift"

    licence: str = ""
    source: str = ""
    mean_over: tuple[tuple[str, float], ...] = ()
    """Kind and severity of the variants that the mean is over; without one of them there is no mean. Empty: all variants."""


@dataclass(frozen=True, kw_only=True)
class OodScoreSpec(UseSpec):
    """A score that tells OOD rows from test rows, for `--ood-score`; see docs/reference/shift.md.

    `of` says what it looks at. `outputs`: `target` is called as `target(outputs, **params)` with the calibrated
    `calibench.Outputs` and returns `[n]`. `features`: `target` is a `calibench.OodScore`, built as `target(**params)`.
    Scores are small where rows are like the training rows.
    """

    family: ClassVar[str] = "ood-score"

    of: Literal["outputs", "features"] = "features"


@dataclass(frozen=True, kw_only=True)
class MetricSpec(Spec):
    """A figure in the record. `target` is a `calibench.metrics.Metric` class, built as `target(**options)`."""

    family: ClassVar[str] = "metric"

    place: int = 1000
    """The order of metrics in tables, smallest first."""
    options: Mapping[str, int | float] = field(default_factory=lambda: MappingProxyType({}))
    better: Literal["lower", "higher"] = "lower"
    unit: str = "fraction"
    equation: str = ""
    needs_decision: bool = False
    rankable: bool = True
    """False for figures from which no order follows: too noisy, such as MCE, or best at neither end, such as a signed gap."""
    order_only: bool = False
    """True for a figure that is biased by an amount that depends on the model, such as ECE: it may order a board, but no rank
    follows from it."""
    estimand: str = "the figure of the population"
    """Of what the interval is one."""
    optional: bool = False
    """True for a metric that is computed only if the user names it (`--metrics`); all others are the default set."""

    def in_record(self) -> dict[str, Any]:
        """The fields by which a record explains the figure, as in its `units`."""
        return {
            "unit": self.unit,
            "better": self.better,
            "rankable": self.rankable,
            "order_only": self.order_only,
            "estimand": self.estimand,
        }


@dataclass(frozen=True, kw_only=True)
class ReaderSpec(Spec):
    """A format of stored outputs. `target` is called as `target(path, columns)`, and returns `calibench.Content` or a mapping.

    The arrays of a mapping are named; `calibench.outputs.roles` finds scores, labels and names of classes among them. `columns` are
    the user's words (`calibench.outputs.columns.Columns`). A file must be read without a pickle and within memory.
    """

    family: ClassVar[str] = "reader"

    suffixes: tuple[str, ...] = ()
    """The endings of its files, as `.csv` and `.csv.gz`, in lower case."""
    starts: tuple[bytes, ...] = ()
    """How its files may begin; by this a file without an ending is recognised."""
    marks: tuple[str, ...] = ()
    """Texts that all stand in the first 64 kB of its files. Such a reader goes before others of the same ending."""

    def __post_init__(self) -> None:
        super().__post_init__()
        wrong = next(
            (suffix for suffix in self.suffixes if not suffix.startswith(".") or suffix != suffix.lower()), None
        )
        if wrong is not None:
            raise PluginError(f"reader {self.name!r} has the ending {wrong!r}", "write it as '.csv', in lower case")
        if not self.suffixes and not self.starts:
            raise PluginError(f"reader {self.name!r} has no ending", "give suffixes=('.ending',)")


@dataclass(frozen=True, kw_only=True)
class PresetSpec(Spec):
    """A run by name. `target` is `module:file.toml`, a file beside that module; see docs/guides/presets.md."""

    family: ClassVar[str] = "preset"
    _target_form: ClassVar[re.Pattern[str]] = re.compile(r"[A-Za-z_][\w.]*:[\w-]+(/[\w-]+)*\.toml\Z")
    _target_example: ClassVar[str] = "'module:file.toml'"

    def load(self) -> str:
        """The text of the file; PluginError if it cannot be read."""
        module, _, file = self.target.partition(":")
        try:
            return (pkgutil.get_data(module, file) or b"").decode("utf-8")
        except Exception as error:
            message = f"{self.family} {self.name!r} cannot be loaded: {type(error).__name__}: {error}"
            hint = f"its target is {self.target!r}: is the file among the package's data?"
            raise PluginError(message, hint) from error


@dataclass(frozen=True, kw_only=True)
class SuiteSpec(PresetSpec):
    """A frozen protocol by name, for `calibench sweep`. `target` is `module:file.toml`; see docs/guides/suites.md."""

    family: ClassVar[str] = "suite"


@dataclass(frozen=True, kw_only=True)
class LauncherSpec(Spec):
    """A way to make many runs, for `calibench sweep --launcher NAME`; see docs/guides/cluster.md.

    `target` is called as `target(configs, options, workers, **params)`, and returns an iterator of
    `calibench.runs.launchers.messages.Event`: every configuration ends in one `Done` or `Failed`. `workers` is a
    `calibench.runs.launchers.messages.Workers`. A parameter `address` is what `--address` sets.
    """

    family: ClassVar[str] = "launcher"


@dataclass(frozen=True, kw_only=True)
class TrackerSpec(Spec):
    """A tracker of experiments, for `--track NAME`; see docs/guides/trackers.md.

    `target` is built as `target(**params)` once a command and process. Its methods under `@calibench.hookimpl` are
    lifecycle hooks. It raises InputError, naming what to install, if its package is missing.
    """

    family: ClassVar[str] = "tracker"


def kind_of(spec: Spec) -> str:
    """The kind that `calibench list` prints: a method's kind of stage, else the family."""
    return spec.kind if isinstance(spec, MethodSpec) else spec.family
