"""MapDocument: the JSON document of a calibration map, its checksum, and its reading and writing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

from calibench.atomic import refuse_missing_folder, replacing
from calibench.errors import InputError, did_you_mean
from calibench.files.regular_file import read_regular

SCHEMA = "calibench.map"

VERSION = 1
"""The version of the document. A reader refuses any other one by name."""

MOST_BYTES = 1 << 30
"""A larger file is refused before it is read."""

MOST_COLUMNS = 1_000_000
"""A map of more classes, or of more labels a sample, is refused: its check rows alone would take gigabytes."""

KINDS = ("logits", "probs")

FIT_AGAIN = "fit it again: calibench fit FILE --method RECIPE -o MAP.json"


@dataclass(frozen=True)
class MapDocument:
    """What a map holds: docs/reference/map.md explains every field."""

    recipe: str
    stages: list[dict[str, Any]]
    classes: int
    labels_per_sample: int
    class_names: list[str] | None
    scores: str
    fitted_on: dict[str, Any]
    seed: int
    random_state: str | None
    check: dict[str, Any] | None
    files: dict[str, str]
    versions: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """The document as JSON values, with its schema and checksum."""
        document = {"schema": SCHEMA, "schema_version": VERSION} | {f.name: getattr(self, f.name) for f in fields(self)}
        return document | {"sha256": checksum(document)}

    def write(self, path: str | Path) -> None:
        """Write the JSON, whole or not at all."""
        file = Path(path)
        refuse_missing_folder(file)
        text = _text(self.to_dict())
        with replacing(file) as temporary:
            temporary.write_text(text, encoding="utf-8")

    @property
    def digest(self) -> str:
        """The checksum, by which outputs name their map."""
        return str(self.to_dict()["sha256"])


def checksum(document: Mapping[str, Any]) -> str:
    """SHA-256 of a document without its `sha256`, as JSON with sorted keys and no spaces."""
    content = {key: value for key, value in document.items() if key != "sha256"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _text(document: Mapping[str, Any]) -> str:
    """The JSON with a line a field and a line a stage: a matrix with an indented number a line would be long."""

    def line(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    def lines(value: Any) -> str:
        several = isinstance(value, list) and bool(value) and isinstance(value[0], dict)
        return "[\n  " + ",\n  ".join(map(line, value)) + "\n ]" if several else line(value)

    return "{\n " + ",\n ".join(f"{line(key)}: {lines(value)}" for key, value in document.items()) + "\n}\n"


def read_document(path: str | Path) -> MapDocument:
    """The document in a file; InputError if it is no map, of another version, changed after it was written, or damaged."""
    file = Path(path)
    if not file.is_file():
        raise InputError(
            f"{path}: there is no such file", "calibench fit FILE --method RECIPE -o MAP.json writes a map"
        )
    if file.stat().st_size > MOST_BYTES:
        raise InputError(f"{path}: {file.stat().st_size} bytes are more than a map has", "is this the right file?")
    try:
        document = json.loads(read_regular(file).decode("utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error}", "check the file") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: this is not JSON ({error})", FIT_AGAIN) from None
    return document_from(document, str(path))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}")


def document_from(document: Any, where: str) -> MapDocument:
    """The document in JSON values that were read from `where`; errors as of `read_document`."""
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise InputError(f"{where}: this is no calibration map: its schema is not {SCHEMA!r}", FIT_AGAIN)
    version = document.get("schema_version")
    if version != VERSION:
        message = f"{where}: the map has schema version {version!r}, and this calibench reads version {VERSION}"
        raise InputError(message, f"use the calibench that wrote it ({_writer(document)}), or fit it again")
    try:
        fits = document.get("sha256") == checksum(document)
    except (ValueError, TypeError, RecursionError) as error:  # 1e999 is a number to JSON, and infinite to Python
        raise InputError(f"{where}: a value of the map is no value of JSON ({error})", FIT_AGAIN) from None
    if not fits:
        message = f"{where}: the map was changed after it was written: its content does not fit its checksum"
        raise InputError(message, "take the file from where it was written, or fit it again")
    content = {key: value for key, value in document.items() if key not in ("schema", "schema_version", "sha256")}
    names = {f.name: f for f in fields(MapDocument)}
    for key in content:
        if key not in names:
            raise InputError(f"{where}: a map has no field {key!r}", did_you_mean(key, names))
    missing = [name for name in names if name not in content]
    if missing:
        raise InputError(f"{where}: the field {missing[0]!r} is missing", FIT_AGAIN)
    return _checked(MapDocument(**content), where)


def _writer(document: Mapping[str, Any]) -> str:
    versions = document.get("versions")
    return f"calibench {versions.get('calibench', 'unknown')}" if isinstance(versions, dict) else "unknown"


def _checked(document: MapDocument, where: str) -> MapDocument:
    """The document, if its fields have their types and go together."""
    types: dict[str, Any] = {
        "recipe": str, "stages": list, "classes": int, "labels_per_sample": int, "class_names": list | None, "scores": str,
        "fitted_on": dict, "seed": int, "random_state": str | None, "check": dict | None, "files": dict, "versions": dict,
    }  # fmt: skip
    for name, kind in types.items():
        value = getattr(document, name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InputError(f"{where}: the field {name!r} is a {type(value).__name__}", FIT_AGAIN)
    for name in ("classes", "labels_per_sample"):
        if getattr(document, name) > MOST_COLUMNS:
            raise InputError(f"{where}: the field {name!r} is over {MOST_COLUMNS}, the most that a map has", FIT_AGAIN)
    names = document.class_names
    faults = {
        "classes": document.classes < 2,
        "labels_per_sample": document.labels_per_sample < 1,
        "scores": document.scores not in KINDS,
        "seed": not 0 <= document.seed < 2**63,
        "class_names": names is not None and not _are_names(names, width(document)),
        "stages": not document.stages or not all(_is_stage(stage) for stage in document.stages),
        "files": not all(isinstance(text, str) for text in document.files.values()),
        "versions": not all(isinstance(text, str) for text in document.versions.values()),
    }
    for name, bad in faults.items():
        if bad:
            raise InputError(f"{where}: the field {name!r} holds what no map has", FIT_AGAIN)
    return document


def width(document: MapDocument) -> int:
    """The number of columns of scores that the map takes: K classes, or Q labels a sample."""
    return document.labels_per_sample if document.labels_per_sample > 1 else document.classes


def _are_names(names: list[Any], count: int) -> bool:
    return len(names) == count and all(isinstance(name, str) for name in names) and len(set(names)) == count


def _is_stage(stage: Any) -> bool:
    """True for a dictionary with the keys of a stage, each of its type."""
    types = {"name": str, "kind": str, "plugin": dict, "params": dict, "fitted": dict}
    return (
        isinstance(stage, dict)
        and stage.keys() == types.keys()
        and all(isinstance(stage[key], kind) for key, kind in types.items())
        and stage["kind"] in ("calibrator", "decision")
    )
