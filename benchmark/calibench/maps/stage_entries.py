"""The stages of a map between JSON and bound specs, with the files that their parameters name, and their plugins."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from calibench.config.grammar import Bound, bind, who
from calibench.config.recipe import refuse_disorder
from calibench.config.values import format_value
from calibench.errors import InputError
from calibench.files.regular_file import read_regular
from calibench.maps.document import MapDocument
from calibench.plugins.discovery import registry
from calibench.plugins.specs import MethodSpec

MOST_FILE_BYTES = 1 << 20
"""A file that a parameter names, such as a table of costs, goes into the map; a larger one is refused."""


class Stages(NamedTuple):
    """The stages of a map, ready to be built. The folder holds the files of parameters, and is removed with this object."""

    bound: tuple[Bound, ...]
    fitted: list[dict[str, Any]]
    folder: tempfile.TemporaryDirectory[str] | None


def entries_of(
    stages: Sequence[Bound], fitted: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The stages as JSON, every parameter explicit, and the text of each file that a parameter names."""
    learned = {entry["stage"]: {key: value for key, value in entry.items() if key != "stage"} for entry in fitted}
    entries, files = [], {}
    for bound in stages:
        plugin = registry().get("method", bound.name).plugin
        params: dict[str, Any] = {}
        for param in bound.spec.all_params():
            value = bound.params[param.key]
            if param.type == "path" and value is not None:
                name = f"{bound.name}.{param.key}{Path(str(value)).suffix}"
                files[name], value = _text_of(Path(str(value)), who(bound)), name
            params[param.key] = list(value) if isinstance(value, tuple) else value
        entries.append(
            {
                "name": bound.name,
                "kind": bound.spec.kind,
                "plugin": {"distribution": plugin.distribution, "version": plugin.version},
                "params": params,
                "fitted": learned.get(bound.name, {}),
            }
        )
    return entries, files


def _text_of(path: Path, subject: str) -> str:
    """The text of a file; InputError if it is missing, no text, or too large."""
    try:
        if path.stat().st_size > MOST_FILE_BYTES:
            raise InputError(f"{subject}: {path} has over {MOST_FILE_BYTES} bytes", "a map holds small files alone")
        return read_regular(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{subject}: cannot read {path}: {error}", "check the path; the file must be text") from None


def stages_of(document: MapDocument, where: str) -> Stages:
    """The stages of a map; InputError that names a method, plugin or parameter that this installation does not have."""
    folder = None
    if document.files:
        folder = tempfile.TemporaryDirectory(prefix="calibench-map-")
        for name, text in document.files.items():
            if Path(name).name != name or name in (".", ".."):
                raise InputError(f"{where}: {name!r} is no name of a file", "fit the map again")
            (Path(folder.name) / name).write_bytes(text.encode("utf-8"))
    bound = tuple(_bound(entry, folder, where) for entry in document.stages)
    refuse_disorder([stage.spec for stage in bound])
    fitted = [{**entry["fitted"], "stage": entry["name"]} for entry in document.stages]
    return Stages(bound, fitted, folder)


def _bound(entry: dict[str, Any], folder: tempfile.TemporaryDirectory[str] | None, where: str) -> Bound:
    name, origin = entry["name"], entry["plugin"]
    described = f"{origin.get('distribution')} {origin.get('version')}"
    known = registry().entries.get(("method", name))
    if known is None or not isinstance(known.spec, MethodSpec):
        raise InputError(f"{where}: the map needs the method {name!r} of {described}", "install that plugin")
    if known.plugin.distribution != origin.get("distribution") or known.spec.kind != entry["kind"]:
        message = (
            f"{where}: the map needs the {entry['kind']} {name!r} of {described}, and here it is of {known.plugin}"
        )
        raise InputError(message, "install that plugin in place of the other one")
    values, spec = [], known.spec
    params = {param.key: param for param in spec.all_params()}
    for key, value in entry["params"].items():
        if key not in params:
            message = f"{where}: the {spec.kind} {name!r} has no parameter {key!r} in {known.plugin}"
            raise InputError(message, f"install {described}, or fit the map again")
        if value is None:
            if params[key].default is not None:
                message = f"{where}: {name}.{key} is not set in the map, and {known.plugin} has another default"
                raise InputError(message, f"install {described}, or fit the map again")
            continue
        if params[key].type == "path":
            if folder is None or not (Path(folder.name) / str(value)).is_file():
                raise InputError(f"{where}: the file {value!r} of {name}.{key} is not in the map", "fit it again")
            value = str(Path(folder.name) / str(value))  # noqa: PLW2901 - the map's own copy
        text = value if isinstance(value, str) else format_value(tuple(value) if isinstance(value, list) else value)
        values.append((key, text))
    return bind(spec, values)
