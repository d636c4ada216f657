"""The JSON type of each field of a record, so that a board can be made of records that somebody else wrote.

`calibench.records.record` explains the fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from calibench.config.grammar import LONGEST_TEXT

Check = Callable[[Any], bool]

LONGEST_NAME = 240
"""Bytes of a file's name. File systems take 255, and an ending follows."""

PREDICTIONS = "predictions"
"""The folder of a results folder that predictions lie in. A record names a file there and nowhere else."""

_OBJECTS, _LISTS = (dict, Mapping), (list, tuple)


def fits(name: str, value: Any) -> bool:
    """True if the field `name` of a record may hold `value`."""
    return _TYPES[name](value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_name(value: Any) -> bool:
    """A recipe, a dataset or another part of a run. Boards compare their stages, and a longer text would take minutes."""
    return isinstance(value, str) and len(value) <= LONGEST_TEXT


def _is_name_or_none(value: Any) -> bool:
    return value is None or _is_name(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    return _is_whole(value) and _is_within_floats(value)


def _is_within_floats(value: int) -> bool:
    try:
        return isfinite(value)
    except OverflowError:
        return False


def _is_number_or_none(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_object(value: Any) -> bool:
    return isinstance(value, _OBJECTS) and (set(map(type, value)) <= {str} or all(map(_is_text, value)))


def _is_interval(value: Any) -> bool:
    return value is None or (isinstance(value, _LISTS) and len(value) == 2 and all(map(_is_number, value)))


def _is_unit(value: Any) -> bool:
    return _is_object(value) and _is_text(value.get("unit")) and value.get("better") in ("lower", "higher")


def _is_floor(value: Any) -> bool:
    return _object_of(_is_number)(value) and "mean" in value


def _is_sizes(value: Any) -> bool:
    return _object_of(_is_whole)(value) and "test" in value


def _is_bootstrap(value: Any) -> bool:
    """Numbers that a sampling may have, where they are stated."""
    if not _is_object(value) or not _is_number_or_none(value.get("level")):
        return False
    whole = [value[name] for name in ("resamples", "seed") if value.get(name) is not None]
    return all(_is_whole(number) and 0 <= number < 1 << 63 for number in whole)


def _is_preset(value: Any) -> bool:
    return value is None or (_is_object(value) and _is_text(value.get("name")))


def _is_search(value: Any) -> bool:
    return value is None or (_is_object(value) and _is_text(value.get("recipe")) and _is_object(value.get("chosen")))


def _is_advice(value: Any) -> bool:
    keys = {"recipe": _is_text_or_none, "nll_gain": _is_number_or_none, "interval": _is_interval}
    return value is None or _has(value, keys)


def _is_predictions(value: Any) -> bool:
    if value is None:
        return True
    if not _object_of(_is_text)(value) or not {"file", "sha256"} <= set(value):
        return False
    folder, _, name = value["file"].partition("/")
    return folder == PREDICTIONS and is_file_name(name)


def is_file_name(value: Any) -> bool:
    """True for a text that names a file within a folder: nothing in it leads out of the folder."""
    sound = _is_text(value) and 0 < len(value.encode("utf-8", "replace")) <= LONGEST_NAME and not value.startswith(".")
    return sound and value.isprintable() and value[1:2] != ":" and "/" not in value and "\\" not in value


def _has(value: Any, keys: Mapping[str, Check]) -> bool:
    """True for an object with all of the keys, each of which holds what its check accepts; it may have others."""
    return _is_object(value) and all(key in value and check(value[key]) for key, check in keys.items())


def _is_shift_row(value: Any) -> bool:
    return _has(value, {"shift": _is_text, "kind": _is_text, "severity": _is_number, **_judged()})


def _is_ood_row(value: Any) -> bool:
    return _has(value, {"set": _is_text, "group": _is_text_or_none, "score": _is_text, **_judged()})


def _judged() -> dict[str, Check]:
    """What rows of shifts and OOD sets have in common."""
    return {"n": _is_whole, "metrics": _object_of(_is_number_or_none), "intervals": _object_of(_is_interval)}


def _is_label(value: Any) -> bool:
    """The verdict on one of several labels."""
    return _has(value, {"name": _is_text, "calibrated": _is_text, "predicted": _is_number, "observed": _is_number})


def _is_curve(value: Any) -> bool:
    """The epochs of a training, and a number for each of them by series."""
    if not _is_object(value) or not _is_text(value.get("stage")) or not _is_list_of_wholes(value.get("epochs")):
        return False
    lists = [value[name] for name in ("train_loss", "val_nll") if name in value]
    return bool(lists and value["epochs"]) and all(
        _is_list_of_numbers(v) and len(v) == len(value["epochs"]) for v in lists
    )


def _object_of(check: Check) -> Check:
    return lambda value: _is_object(value) and all(map(check, value.values()))


def _list_of(check: Check) -> Check:
    return lambda value: isinstance(value, _LISTS) and all(map(check, value))


def _is_list_of_wholes(value: Any) -> bool:
    return isinstance(value, _LISTS) and (set(map(type, value)) <= {int} or all(map(_is_whole, value)))


def _is_list_of_numbers(value: Any) -> bool:
    """Curves are long: their numbers are looked at one by one only where their sum is not finite, or one is no float."""
    if not isinstance(value, _LISTS):
        return False
    return (set(map(type, value)) <= {float} and isfinite(sum(value))) or all(map(_is_number, value))


def _is_list_of_labels_or_none(value: Any) -> bool:
    return value is None or _list_of(_is_label)(value)


_TYPES: dict[str, Check] = {
    "run_id": is_file_name,
    "recipe": _is_name,
    "dataset": _is_name,
    "model": _is_name,
    "seed": _is_whole,
    "noise": _is_name_or_none,
    "backend": _is_name,
    "n": _is_sizes,
    "metrics": _object_of(_is_number_or_none),
    "intervals": _object_of(_is_interval),
    "noise_floor": _object_of(_is_floor),
    "timings_s": _object_of(_is_number),
    "versions": _object_of(_is_text),
    "units": _object_of(_is_unit),
    "no_interval": _object_of(_is_text),
    "verdict": _is_text,
    "calibrated": _is_text,
    "findings": _list_of(_is_object),
    "detectable": _is_number_or_none,
    "mean_confidence": _is_number_or_none,
    "bins": _is_whole,
    "labels": _is_list_of_labels_or_none,
    "warnings": _list_of(_is_text),
    "advice": _is_advice,
    "named_metrics": _list_of(_is_text),
    "details": _object_of(_is_object),
    "fitted": _list_of(_is_object),
    "curves": _list_of(_is_curve),
    "config": _is_object,
    "seeds": _object_of(_is_whole),
    "bootstrap": _is_bootstrap,
    "data": _is_object,
    "machine": _is_object,
    "code": _is_text,
    "cache": _object_of(_list_of(_is_text)),
    "shift": _list_of(_is_shift_row),
    "ood": _list_of(_is_ood_row),
    "predictions": _is_predictions,
    "created": _is_text,
    "preset": _is_preset,
    "tuned": _is_search,
    "schema": _is_text,
}
