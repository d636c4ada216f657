"""Param: one `key=value` of a plugin, and the parameters that calibench adds to every plugin of a kind."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from calibench.errors import PluginError

Value = int | float | bool | str | tuple[float, ...] | tuple[int, ...] | None
ParamType = Literal["int", "float", "bool", "str", "path", "floats", "ints"]

_KEY = re.compile(r"[a-z][a-z0-9_]*\Z")
_PARAM_TYPES = ("int", "float", "bool", "str", "path", "floats", "ints")

REQUIRED: Any = type("Required", (), {"__repr__": lambda _: "REQUIRED", "__reduce__": lambda _: "REQUIRED"})()
"""Default of a parameter that the user must give; one object, in every process."""


@dataclass(frozen=True)
class Param:
    """One `key=value` that a plugin takes: its type, default, meaning, unit and bounds (both bounds are allowed values).

    `floats` and `ints` are lists, written `0.2;0.4;0.4`. A default of None means "not set".
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
    """True for a parameter that is newer than stored records: documents leave it out at its default, so that run_ids stay."""

    def __post_init__(self) -> None:
        if not _KEY.match(self.key):
            raise PluginError(f"parameter key {self.key!r} is not a lower-case identifier")
        if self.type not in _PARAM_TYPES:
            raise PluginError(f"parameter {self.key!r} has type {self.type!r}", f"use one of {', '.join(_PARAM_TYPES)}")
        if not self.meaning:
            raise PluginError(f"parameter {self.key!r} has no meaning", "describe it in one phrase")
        object.__setattr__(self, "default", self._checked_default())

    def _checked_default(self) -> Any:
        """The default as reading its text would give it (1 is 1.0 for a float), so that typing it gives the same run_id."""
        if self.default is None or self.default is REQUIRED:
            return self.default
        is_list = self.type in {"floats", "ints"}
        where = f"parameter {self.key!r}: the default {self.default!r}"
        values = self.default if is_list else (self.default,)
        if not isinstance(values, list | tuple) or not all(map(self._is_of_type, values)):
            raise PluginError(f"{where} is not of type {self.type!r}", "use a tuple for floats and ints")
        if self.type in {"float", "floats"}:
            values = tuple(float(value) + 0.0 for value in values)
        if not all(map(self._is_allowed, values)):
            raise PluginError(f"{where} is outside the parameter's own bounds or choices")
        return tuple(values) if is_list else values[0]

    def _is_of_type(self, value: Any) -> bool:
        types = {"bool": bool, "str": str, "path": str, "int": int, "ints": int}
        expected = types.get(self.type, int | float)
        return isinstance(value, expected) and (expected is bool or not isinstance(value, bool))

    def _is_allowed(self, value: Any) -> bool:
        """True if one value lies within the bounds and, unless it is one of a list, among the choices."""
        if self.choices and self.type not in {"floats", "ints"}:
            return str(value) in self.choices
        if isinstance(value, str | bool):
            return True
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        return bool(low <= value <= high and abs(value) != math.inf)


TRAINING_PARAMS = (
    Param(
        "epochs",
        "int",
        None,
        "passes over the training split in stage 1; not set: to a plateau of the validation NLL",
        "epochs",
        minimum=1,
    ),
    Param("lr", "float", 1e-3, "learning rate of stage 1", minimum=0),
    Param("weight_decay", "float", 0.0, "L2 penalty added to the gradient; decoupled from it for adamw", minimum=0),
    Param("batch_size", "int", 64, "samples a step in stage 1", "samples", minimum=1),
    Param(
        "select", "str", "best", "checkpoint kept: lowest validation NLL, or the last epoch", choices=("best", "last")
    ),
    Param("optimizer", "str", "adam", "optimiser", choices=("adam", "adamw", "sgd")),
    Param("momentum", "float", None, "Nesterov momentum of sgd; not set: 0.9", minimum=0, maximum=0.999),
    Param(
        "lr_schedule",
        "str",
        "constant",
        "learning rate after the warm-up: constant, a cosine to 0, or steps",
        choices=("constant", "cosine", "steps"),
    ),
    Param("warmup", "float", 0.0, "length of the rise of the learning rate from 0", "epochs", minimum=0),
    Param("milestones", "floats", None, "ends of the steps of the learning rate, as 60;120;160", "epochs", minimum=0),
    Param("lr_decay", "float", None, "factor of the learning rate at each step; not set: 0.1", minimum=0, maximum=1),
    Param("clip_norm", "float", None, "largest L2 norm of a gradient; longer ones are scaled down", minimum=0),
    Param("accumulate", "int", 1, "batches whose mean gradient is one step", "batches", minimum=1),
    Param(
        "ema",
        "float",
        None,
        "decay a step of a running mean of the weights, which is then the network",
        minimum=0,
        maximum=1,
    ),
    Param(
        "augment",
        "str",
        None,
        "augmentation of training images in stage 1, joined by ';': crop, flip, cutout, randaugment, with sizes as in "
        "crop=4;flip;cutout=16;randaugment=2/9",
        late=True,
    ),
    Param(
        "precision",
        "str",
        "float32",
        "type of the network's arithmetic in training (autocast); the loss and the judged outputs stay float32",
        choices=("float32", "bfloat16", "float16"),
        late=True,
    ),
    Param("compile", "bool", False, "train a body that torch.compile has compiled; rounding differs", late=True),
    Param("channels_last", "bool", False, "train with channels last in memory (convolutions)", late=True),
    Param(
        "sam_rho",
        "float",
        None,
        "radius of sharpness-aware minimisation (Foret et al., ICLR 2021: 0.05); each step then takes two passes",
        minimum=0,
        late=True,
    ),
    Param(
        "patience",
        "int",
        None,
        "stage 1 ends after so many epochs without a lower validation NLL; not set: after all epochs, or at a plateau",
        "epochs",
        minimum=1,
        late=True,
    ),
)
"""Settings of stage 1, for every objective. The V-TST paper trains for 600 epochs at lr 1e-4, batch 256."""

SPLIT_PARAMS = (
    Param("val", "float", 0.1, "share of the training rows held out to pick checkpoints", minimum=0.001, maximum=0.9),
    Param("cal", "float", 0.1, "share of the training rows held out to fit post-hoc maps", minimum=0.001, maximum=0.9),
    Param("test", "float", 0.25, "share of the rows held out to judge", minimum=0.001, maximum=0.9),
    Param("split_seed", "int", 0, "seed of the stratified split; one split is shared by all run seeds", minimum=0),
)
"""Only for splits that a dataset does not bring; to state one that it brings is an error."""

NOISE_PARAMS = (
    Param(
        "on",
        "str",
        "train",
        "splits whose labels become wrong; never cal and test",
        choices=("train", "train;val"),
        late=True,
    ),
)
"""For every noise."""

CHECKPOINT_PARAMS = (
    Param(
        "checkpoint", "path", None, "trained weights: safetensors, a torch state dict or .npz; stage 1 is then skipped"
    ),
    Param("checkpoint_part", "str", None, "take only the names in the file that begin with this, and strip it"),
    Param(
        "checkpoint_rename", "str", None, "replace text in the names of the file: old=new pairs joined by ';', in order"
    ),
)
"""For every model that can be trained; `calibench.models.weight_names` matches the names."""
