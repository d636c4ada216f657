"""Reads records from files, many of them fast: what a record shares with the one before is not read a second time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from calibench.errors import InputError
from calibench.files.regular_file import read_regular
from calibench.records.record import ResultRecord


def read_document(path: Path) -> Any:
    """The JSON document in a file. InputError if the file cannot be read or is not JSON."""
    try:
        return json.loads(read_regular(path).decode("utf-8"), parse_constant=_refuse_constant)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}", "check the file") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error})", "remove it and run again") from None


def _refuse_constant(name: str) -> None:
    """Refuse NaN and the infinities, which Python reads and JSON does not have."""
    raise ValueError(f"{name} is not a JSON value")


_JSON = json.JSONDecoder(parse_constant=_refuse_constant)


class RecordReader:
    """Reads one record after another. Runs of one recipe share most fields: units, versions, data, machine.

    A field that has the text of a field of the record before is not parsed and not checked again: both records hold one value.
    """

    def __init__(self) -> None:
        self._before: ResultRecord | None = None
        self._fields: dict[str, tuple[str, Any]] = {}
        """The name and the value of each field of the record before, by its text."""

    def read(self, path: Path) -> ResultRecord:
        """The record in a file, as `read_record` returns it. InputError if it cannot be read or is not a record."""
        document = self._document(path)
        if document is None:
            document = read_document(path)
        self._before = ResultRecord.from_dict(document, str(path), self._before)
        return self._before

    def _document(self, path: Path) -> dict[str, Any] | None:
        """The document, if it has the layout of `write_json`; None for any other, and if anything is wrong with it.

        In this layout every field begins on a line of its own, behind one space. No text has a line break inside, so the
        file is cut between whole fields if each part is a name, a value and a comma, and no name stands twice.
        """
        before = self._fields
        try:
            text = read_regular(path).decode("utf-8")
            if not text.startswith(_FIRST) or not text.endswith(_LAST):
                return None
            fields = f"{text[len(_FIRST) : -len(_LAST)]},".split(_NEXT)
            self._fields = {field: before.get(field) or _name_and_value(field) for field in fields}
        except (OSError, ValueError, RecursionError):
            return None
        document = dict(self._fields.values())
        return document if len(document) == len(fields) else None  # of a name that stands twice the last value counts


_FIRST, _NEXT, _LAST = '{\n "', '\n "', "\n}\n"
"""What stands before the first field, between two fields and behind the last one."""


def _name_and_value(field: str) -> tuple[str, Any]:
    """From the text `NAME": VALUE,`. ValueError for any other."""
    name, _, rest = field.partition('": ')
    value, end = _JSON.raw_decode(rest)
    if rest[end:] != "," or not name.isidentifier():
        raise ValueError(field)
    return name, value
