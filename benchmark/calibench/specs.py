"""What a plugin returns: small frozen descriptions with a lazy `module:attribute` target, so that listing imports no torch."""

from __future__ import annotations

import importlib
import math
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from calibench.errors import CalibenchError, PluginError

Value = int | float | bool | str | tuple[float, ...] | tuple[int, ...] | None
ParamType = Literal["int", "float", "bool", "str", "path", "floats", "ints"]
StageKind = Literal["objective", "refit", "sampler", "ensemble", "calibrator", "decision"]

STAGE_ORDER: tuple[StageKind, ...] = ("objective", "refit", "sampler", "ensemble", "calibrator", "decision")
"""A recipe's stages stand in this order; only calibrators may follow one another."""

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*\Z")
_KEY = re.compile(r"[a-z][a-z0-9_]*\Z")
_PARAM_TYPES = ("int", "float", "bool", "str", "path", "floats", "ints")

REQUIRED: Any = type("Required", (), {"__repr__": lambda _: "REQUIRED"})()
"""Default of a parameter that the user must give."""


@dataclass(frozen=True)
class Param:
    """One `key=value` that a plugin takes: its type, default, meaning, unit and bounds (both bounds are allowed values).

    `floats` and `ints` are lists written `0.2;0.4;0.4`. A default of None means "not set" and stays None unless given.
    """

    key: str
    type: ParamType
    default: Any
    meaning: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    late: bool = False
    """Added when records were there already: at its default it is left out of documents, so that their run_ids stay."""

    def __post_init__(self) -> None:
        if not _KEY.match(self.key):
            raise PluginError(f"parameter key {self.key!r} is not a lower-case identifier")
        if self.type not in _PARAM_TYPES:
            raise PluginError(f"parameter {self.key!r} has type {self.type!r}", f"use one of {', '.join(_PARAM_TYPES)}")
        if not self.meaning:
            raise PluginError(f"parameter {self.key!r} has no meaning", "say in one phrase what it does")
        object.__setattr__(self, "default", self._checked_default())

    def _checked_default(self) -> Any:
        """The default as reading it would give it (1 is 1.0 for a float), so that saying it changes no run_id."""
        if self.default is None or self.default is REQUIRED:
            return self.default
        many = self.type in {"floats", "ints"}
        given = self.default if many else [self.default]
        python = {"bool": bool, "str": str, "path": str, "int": int, "ints": int}.get(self.type, int | float)
        where = f"parameter {self.key!r}: the default {self.default!r}"
        if not isinstance(given, list | tuple) or not all(
            isinstance(v, python) and (python is bool or not isinstance(v, bool)) for v in given
        ):
            raise PluginError(f"{where} is not of type {self.type!r}", "use a tuple for floats and ints")
        values = tuple(float(v) + 0.0 if self.type in {"float", "floats"} else v for v in given)
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        inside = python is str or all(low <= v <= high and abs(v) != math.inf for v in values)
        if not inside or (self.choices and not many and str(values[0]) not in self.choices):
            raise PluginError(f"{where} is outside the parameter's own bounds or choices")
        return values if many else values[0]


TRAINING_PARAMS = (
    Param("epochs", "int", 60, "passes over the training split in stage 1", "epochs", minimum=1),
    Param("lr", "float", 1e-3, "step size in stage 1", minimum=0),
    Param("weight_decay", "float", 0.0, "L2 penalty added to the gradient; of adamw, decoupled from it", minimum=0),
    Param("batch_size", "int", 64, "samples a step in stage 1", "samples", minimum=1),
    Param(
        "select", "str", "best", "checkpoint kept: lowest validation NLL, or the last epoch", choices=("best", "last")
    ),
    Param("optimizer", "str", "adam", "how steps are made of gradients", choices=("adam", "adamw", "sgd")),
    Param("momentum", "float", None, "Nesterov momentum of sgd; not set: 0.9", minimum=0, maximum=0.999),
    Param(
        "lr_schedule",
        "str",
        "constant",
        "learning rate after the warm-up: as it is, by a cosine to 0, or in steps",
        choices=("constant", "cosine", "steps"),
    ),
    Param("warmup", "float", 0.0, "over which the learning rate rises from 0", "epochs", minimum=0),
    Param(
        "milestones", "floats", None, "after which steps lower the learning rate, as 60;120;160", "epochs", minimum=0
    ),
    Param("lr_decay", "float", None, "factor of each step; not set: 0.1", minimum=0, maximum=1),
    Param("clip_norm", "float", None, "L2 norm that longer gradients are scaled down to", minimum=0),
    Param("accumulate", "int", 1, "batches whose mean gradient makes one step", "batches", minimum=1),
    Param(
        "ema", "float", None, "decay a step of a running mean of the weights, which is then kept", minimum=0, maximum=1
    ),
    Param(
        "augment",
        "str",
        None,
        "what training images go through in stage 1, joined by ';': crop, flip, cutout, randaugment, with sizes as in "
        "crop=4;flip;cutout=16;randaugment=2/9",
        late=True,
    ),
    Param(
        "precision",
        "str",
        "float32",
        "of the network's own arithmetic in training (autocast); the loss and all that is judged stay float32",
        choices=("float32", "bfloat16", "float16"),
        late=True,
    ),
    Param("compile", "bool", False, "train a body that torch.compile has compiled; rounding differs", late=True),
    Param("channels_last", "bool", False, "train with channels last in memory (convolutions)", late=True),
    Param(
        "patience",
        "int",
        None,
        "stage 1 ends after so many without a lower validation NLL; not set: it goes on to the last",
        "epochs",
        minimum=1,
        late=True,
    ),
)
"""Settings of the stage-1 loop, taken by every objective. The paper of V-TST trains for 600 epochs at lr 1e-4, batch 256."""

SPLIT_PARAMS = (
    Param("val", "float", 0.1, "share of the training rows held out to pick checkpoints", minimum=0.001, maximum=0.9),
    Param("cal", "float", 0.1, "share of the training rows held out to fit post-hoc maps", minimum=0.001, maximum=0.9),
    Param("test", "float", 0.25, "share of the rows held out to judge", minimum=0.001, maximum=0.9),
    Param("split_seed", "int", 0, "seed of the stratified split; one split is shared by all run seeds", minimum=0),
)
"""Used only for the splits that a dataset does not bring itself; stating one that it does bring is an error."""

NOISE_PARAMS = (
    Param(
        "on",
        "str",
        "train",
        "splits whose labels become wrong, val as where nobody checked it; never cal and test",
        choices=("train", "train;val"),
        late=True,
    ),
)
"""Taken by every noise."""

CHECKPOINT_PARAMS = (
    Param(
        "checkpoint", "path", None, "trained weights: safetensors, a torch state dict or .npz; stage 1 is then skipped"
    ),
    Param("checkpoint_part", "str", None, "take the file's names that begin with this, without it"),
    Param("checkpoint_rename", "str", None, "replace text in the file's names: old=new pairs joined by ';', in order"),
)
"""Taken by every model that can be trained; `calibench.models.weight_names` says how names are matched."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What everything pluggable has: a name to type, a one-line summary, and the lazy target that does the work."""

    family: ClassVar[str] = ""
    in_process: ClassVar[bool] = False
    """True for what the calling program gave itself: no plugin offers it."""

    _target_form: ClassVar[re.Pattern[str]] = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")
    _target_says: ClassVar[str] = "'module:attribute'"

    name: str
    summary: str
    target: str
    params: tuple[Param, ...] = ()
    paper: str = ""
    deviations: tuple[str, ...] = ()
    default: bool = False
    """Taken when the user names none of its kind; at most one plugin may claim it."""

    def __post_init__(self) -> None:
        what = f"{type(self).__name__} {self.name!r}"
        if not isinstance(self.name, str) or not _NAME.match(self.name):
            raise PluginError(
                f"{what}: a name is lower-case letters, digits and single hyphens, as in 'label-smoothing'"
            )
        if not self.summary or "\n" in self.summary:
            raise PluginError(f"{what}: the summary must be one line")
        if not self._target_form.match(self.target):
            raise PluginError(f"{what}: target {self.target!r} is not {self._target_says}")
        keys = [param.key for param in self.all_params()]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice:
            raise PluginError(f"{what}: the parameter key {twice!r} is declared twice, or is one that calibench adds")

    def all_params(self) -> tuple[Param, ...]:
        """The plugin's own parameters, then those that calibench adds to everything of this kind."""
        return (*self.params, *self.shared_params())

    def shared_params(self) -> tuple[Param, ...]:
        """Parameters that calibench itself reads; they are not passed to `target`."""
        return ()

    def load(self) -> Any:
        """The object that `target` names; importing it may import torch. PluginError when it cannot be had."""
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
class MethodSpec(Spec):
    """A stage of a recipe. `target` is a subclass of the base class of its `kind`, as in `calibench.Calibrator`."""

    family: ClassVar[str] = "method"

    kind: StageKind
    equation: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind not in STAGE_ORDER:
            raise PluginError(f"method {self.name!r} has kind {self.kind!r}", f"use one of {', '.join(STAGE_ORDER)}")

    def shared_params(self) -> tuple[Param, ...]:
        """An objective is trained by calibench's loop, so every objective takes that loop's settings."""
        return TRAINING_PARAMS if self.kind == "objective" else ()


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """A source of arrays. `target` is called as `target(**params)` and returns `calibench.data.Arrays`."""

    family: ClassVar[str] = "dataset"

    licence: str = ""
    source: str = ""
    near_ood: tuple[str, ...] = ()
    far_ood: tuple[str, ...] = ()
    """Datasets, as `--ood` takes them, whose test rows are of none of these classes: things of the same sort, and of another."""

    def shared_params(self) -> tuple[Param, ...]:
        """How splits that a dataset does not bring are held out of its training rows."""
        return SPLIT_PARAMS


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Spec):
    """A network. `target` is called as `target(task, **params)` and returns `calibench.models.Network`."""

    family: ClassVar[str] = "model"

    comes_trained: bool = False
    """True for a network that is always given trained: it takes no checkpoint."""

    def shared_params(self) -> tuple[Param, ...]:
        """Where trained weights come from, if stage 1 is not to train them."""
        return () if self.comes_trained else CHECKPOINT_PARAMS


@dataclass(frozen=True, kw_only=True)
class NoiseSpec(Spec):
    """A model of wrong labels. `target` is called as `target(labels, num_classes, generator, **params)`, once a split.

    It returns labels, or `calibench.data.noisy.Noisy` with the transition matrix that they were drawn by.

    What `needs` names is passed by keyword too: `ids [N]`, the rows' numbers in the dataset's own training arrays, and
    `x [N, ...]`, the rows. `licence` and `source` are those of labels from a file; they go into the record.
    """

    family: ClassVar[str] = "noise"

    needs: tuple[Literal["ids", "x"], ...] = ()
    licence: str = ""
    source: str = ""

    def shared_params(self) -> tuple[Param, ...]:
        """Which splits it acts on."""
        return NOISE_PARAMS

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = sorted(set(self.needs) - {"ids", "x"})
        if unknown:
            raise PluginError(f"noise {self.name!r} needs {unknown[0]!r}", "it can have ids and x")


@dataclass(frozen=True, kw_only=True)
class ShiftSpec(Spec):
    """A way in which test rows may differ from training rows. `target` is called as `target(task, **params)`.

    `task` is a `calibench.data.shift.ShiftTask`; it returns `calibench.Variant`s, or `calibench.data.shift.Shifted`, and
    raises InputError for data that it cannot change, since it is called before anything is trained.
    """

    family: ClassVar[str] = "shift"

    licence: str = ""
    source: str = ""
    mean_over: tuple[tuple[str, float], ...] = ()
    """Kind and severity of the variants that its mean is over: where one is missing there is no mean. Empty: of all made."""


@dataclass(frozen=True, kw_only=True)
class MetricSpec(Spec):
    """A figure in the record. `target` is a `calibench.metrics.Metric` class, built as `target(**options)`."""

    family: ClassVar[str] = "metric"

    options: Mapping[str, int | float] = field(default_factory=lambda: MappingProxyType({}))
    better: Literal["lower", "higher"] = "lower"
    unit: str = "fraction"
    equation: str = ""
    needs_decision: bool = False
    rankable: bool = True
    """False for figures too noisy to rank by, such as MCE."""


@dataclass(frozen=True, kw_only=True)
class PresetSpec(Spec):
    """A run by name. `target` is `module:file.toml`, a file beside that module; docs/presets.md says what it holds."""

    family: ClassVar[str] = "preset"
    _target_form: ClassVar[re.Pattern[str]] = re.compile(r"[A-Za-z_][\w.]*:[\w-]+(/[\w-]+)*\.toml\Z")
    _target_says: ClassVar[str] = "'module:file.toml'"

    def load(self) -> str:
        """The text of the file; PluginError when it cannot be had."""
        module, _, file = self.target.partition(":")
        try:
            return (pkgutil.get_data(module, file) or b"").decode("utf-8")
        except Exception as error:
            message = f"preset {self.name!r} cannot be loaded: {type(error).__name__}: {error}"
            hint = f"its target is {self.target!r}: is the file among the package's data?"
            raise PluginError(message, hint) from error


def kind_of(spec: Spec) -> str:
    """What `calibench list` prints as kind: a method's stage kind, else the family."""
    return spec.kind if isinstance(spec, MethodSpec) else spec.family
