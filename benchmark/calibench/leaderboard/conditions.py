"""Conditions on rows, such as `dataset=digits and (ece15<0.02 or not calibrated=no_sign)`: a small grammar, and no eval.

```
condition  = both ("or" both)*
both       = one ("and" one)*
one        = "not" one | "(" condition ")" | COLUMN SIGN VALUE
SIGN       = "=" | "==" | "!=" | "<" | "<=" | ">" | ">="
```

`and` binds more than `or`. A value with spaces or one of the words above stands in quotes.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from calibench.errors import InputError, did_you_mean
from calibench.leaderboard.record_rows import Row, columns_of

Test = Callable[[Row], bool]

EXAMPLE = "as in --where 'dataset=digits and (ece15<0.02 or seed=0)'"
DEEPEST = 50
"""So many parentheses and `not` may stand inside each other."""

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<mark>[()])
      | (?P<column>[\w.:+-]+?)\s*(?P<sign><=|>=|!=|==?|<|>)\s*(?P<value>'[^']*'|"[^"]*"|(?:[^\s()'"]|\([^\s()]*\))+)
      | (?P<word>[A-Za-z]+)(?![\w.:+-])
    )""",
    re.VERBOSE,
)

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


def where(rows: Sequence[Row], text: str) -> list[Row]:
    """The rows that meet the condition `text`.

    A row without a figure in a column meets no comparison with it but `!=`; `none` is the value of an empty cell. A word is
    compared as text, and only by `=` and `!=`. InputError for a condition that cannot be read, and for an unknown column.
    """
    test = _Reader(text, columns_of(rows)).whole()
    return [row for row in rows if test(row)]


class _Reader:
    """Reads a condition from left to right."""

    def __init__(self, text: str, columns: Collection[str]) -> None:
        self.text, self.columns, self.place, self.depth = text, columns, 0, 0
        self.token = self._next()

    def whole(self) -> Test:
        test = self._either()
        if self.token is not None:
            raise self._unreadable()
        return test

    def _either(self) -> Test:
        parts = [self._both()]
        while self._skip("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def _both(self) -> Test:
        parts = [self._one()]
        while self._skip("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def _one(self) -> Test:
        self.depth += 1
        if self.depth > DEEPEST:
            raise InputError(f"the condition is over {DEEPEST} parentheses deep", EXAMPLE)
        if self._skip("not"):
            inner = self._one()
            test: Test = lambda row: not inner(row)  # noqa: E731 - one of three tests
        elif self._skip("("):
            test = self._either()
            if not self._skip(")"):
                raise self._unreadable()
        else:
            test = self._comparison()
        self.depth -= 1
        return test

    def _comparison(self) -> Test:
        if self.token is None or self.token["column"] is None:
            raise self._unreadable()
        name, sign, value = self.token["column"], self.token["sign"].replace("==", "="), self.token["value"]
        part = self.token[0].strip()
        if self.columns and name not in self.columns:
            raise InputError(f"there is no column {name!r}", did_you_mean(name, self.columns))
        value = value[1:-1] if value[0] in "'\"" else value
        self.token = self._next()
        return lambda row: _meets(row.get(name), sign, value, part)

    def _skip(self, word: str) -> bool:
        """True, and on to the next token, if this one is the word or mark."""
        here = self.token and (self.token["mark"] or self.token["word"] or "")
        if not here or here.casefold() != word:
            return False
        self.token = self._next()
        return True

    def _next(self) -> re.Match[str] | None:
        self.start = self.place
        if not self.text[self.place :].strip():
            return None
        match = _TOKEN.match(self.text, self.place)
        if match is None:
            raise self._unreadable()
        self.place = match.end()
        return match

    def _unreadable(self) -> InputError:
        rest = self.text[self.start :].strip()
        if not rest:
            return InputError(f"the condition {self.text.strip()!r} ends too early", EXAMPLE)
        behind = f" behind {self.text[: self.start].strip()!r}" if self.text[: self.start].strip() else ""
        return InputError(f"cannot read the condition {rest!r}{behind}", EXAMPLE)


def _meets(cell: Any, sign: str, value: str, part: str) -> bool:
    if cell is None or value.casefold() == "none":
        same = cell is None and value.casefold() == "none"
        return same if sign == "=" else not same if sign == "!=" else False
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        try:
            return _COMPARE[sign](float(cell), float(value))
        except ValueError:
            raise InputError(f"{part!r}: {value!r} is not a number", "as in ece15<0.02") from None
    if sign not in ("=", "!="):
        raise InputError(f"{part!r} compares words by {sign}", "use = or !=")
    return _COMPARE[sign](str(cell), value)
