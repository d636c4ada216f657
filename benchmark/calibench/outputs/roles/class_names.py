"""ClassNames: the classes that columns of scores are named after, and how a label finds its class by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

SEPARATORS = "_ .:-/=|[("
"""Characters that end a prefix which all columns share, or begin such a suffix."""

_WHOLE = re.compile(r"[+-]?\d+(\.0*)?\Z")

LONGEST_LIST = 12

LONGEST_WORD = 60
"""Characters of a label or a name in a message."""

SEVERAL = -1
"""In place of a class, where a word names several."""

MOST_CUTS = 5
"""So many beginnings and ends that names share are tried."""


def shown(word: str) -> str:
    """A label or a name for a message: the first sixty characters of a longer one."""
    return word if len(word) <= LONGEST_WORD else f"{word[:LONGEST_WORD]}..."


def listed(names: Iterable[object]) -> str:
    """Names joined by commas, the first twelve of many."""
    texts = [shown(str(name)) for name in names]
    more = len(texts) - LONGEST_LIST
    return ", ".join(texts[:LONGEST_LIST]) + (f" and {more} more" if more > 0 else "")


def canonical(value: object) -> str:
    """A label or a name as text without spaces around it, its accents composed; a whole number without zeros and decimals."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = str(value).strip()
    if not text.isascii():
        import unicodedata

        text = unicodedata.normalize("NFC", text)
    return str(int(float(text))) if _WHOLE.match(text) and len(text) <= 18 else text


def is_whole(text: str) -> bool:
    """True for the text of a whole number."""
    return bool(_WHOLE.match(text))


def short_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names without the beginning and the end that all of them share, as `prob_cat`, `prob_dog` are `cat` and `dog`.

    A beginning ends in a separator, unless numbers alone are left, as of `p0`, `p1`. No name becomes empty or equal to another.
    """
    return _forms(names)[-1]


def _forms(names: Sequence[str]) -> list[tuple[str, ...]]:
    """The names without a shared beginning and end that separators bound; then, if they end in numbers, the numbers alone."""
    if len(names) < 2:
        return [tuple(names)]
    common = _beginning(names)
    cut = _without(names, common[: 1 + max(common.rfind(separator) for separator in SEPARATORS)], "")
    cut = _without(cut, "", _suffix(cut))
    common = _beginning(cut).rstrip("0123456789")
    numbered = bool(common) and all(is_whole(name[len(common) :]) for name in cut)
    return [cut, _without(cut, common, "")] if numbered else [cut]


def _without(names: Sequence[str], prefix: str, suffix: str) -> tuple[str, ...]:
    cut = tuple(name[len(prefix) : len(name) - len(suffix)] for name in names)
    return cut if all(cut) and len(set(cut)) == len(cut) else tuple(names)


def _beginning(names: Sequence[str]) -> str:
    """The characters that all names begin with: those of the first and the last in order of the alphabet."""
    first, last = min(names), max(names)
    same = next(
        (place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    return first[:same]


def _suffix(names: Sequence[str]) -> str:
    common = _beginning([name[::-1] for name in names])[::-1]
    places = [common.find(separator) for separator in f"{SEPARATORS}])" if separator in common]
    return common[min(places) :] if places else ""


def _parts(names: Sequence[str]) -> list[tuple[str, ...]]:
    """The names without some of what they share, the least first: `p_low risk`, `p_high risk` are also `low risk`, `high risk`."""
    before, after = _beginning(names), _beginning([name[::-1] for name in names])
    starts = [0, *(place + 1 for place, mark in enumerate(before) if mark in SEPARATORS)][:MOST_CUTS]
    ends = [0, *(place + 1 for place, mark in enumerate(after) if mark in f"{SEPARATORS})]")][:MOST_CUTS]
    cuts = sorted(((start, end) for start in starts for end in ends), key=sum)
    forms = [tuple(name[start : len(name) - end] for name in names) for start, end in cuts]
    return [form for form in forms if all(form) and len(set(form)) == len(form)]


@dataclass(frozen=True)
class ClassNames:
    """The names of K classes in the order of the columns."""

    full: tuple[str, ...]

    @cached_property
    def short(self) -> tuple[str, ...]:
        """The names without a beginning and an end that all share."""
        return short_names(self.full)

    @cached_property
    def numbered(self) -> bool:
        """True if some class is named by a whole number, so that a whole number as a label is a name and no position."""
        return any(is_whole(name) for name in self.short)

    @cached_property
    def _places(self) -> dict[str, int]:
        """The class of each word that names one class alone: whole names first, then shorter ones, then numbers as numbers."""
        forms = [self.full, *_forms(self.full)]
        return self._unique([*forms, *(tuple(map(canonical, form)) for form in forms)])

    @cached_property
    def parts(self) -> list[tuple[str, ...]]:
        """Every form of the names: whole, without some and without all of what they share."""
        return [self.full, *_forms(self.full), *_parts(self.full)]

    @cached_property
    def _places_of_parts(self) -> dict[str, int]:
        return self._unique([tuple(map(canonical, form)) for form in self.parts])

    @cached_property
    def _without_case(self) -> dict[str, int]:
        """The class of each word in lower case, where no two classes differ by case alone."""
        return self._unique([tuple(name.casefold() for form in self.parts for name in form)])

    def _unique(self, tiers: Sequence[tuple[str, ...]]) -> dict[str, int]:
        """The class of each word that names one class alone in the first of the `tiers` where it names any alone."""
        places: dict[str, int] = {}
        count = len(self.full)
        for number, words in enumerate(tiers):
            if any(
                words == other for other in tiers[:number]
            ):  # as where names share no beginning: it would add nothing
                continue
            found: dict[str, int] = {}
            for place, word in enumerate(words):
                if found.setdefault(word, place % count) != place % count:
                    found[word] = SEVERAL
            places = {word: place for word, place in found.items() if place != SEVERAL} | places
        return places

    def place(self, label: object) -> int | None:
        """The class that a label names; None if it names none."""
        text = canonical(label)
        for word in (label.strip() if isinstance(label, str) else text, text):
            if word in self._places:
                return self._places[word]
        return self._places_of_parts.get(text, self._without_case.get(text.casefold()))

    def order_of(self, others: ClassNames) -> list[int] | None:
        """For each of these classes its place among `others`; None unless both name the same classes."""
        if len(self.full) != len(others.full):
            return None
        for mine in (self.full, self.short):
            places = [others.place(name) for name in mine]
            if None not in places and len(set(places)) == len(places):
                return [place for place in places if place is not None]
        return None
