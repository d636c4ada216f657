"""Periods of a time column: calendar units of ISO dates, or ranges of numbers with as many samples each."""

from __future__ import annotations

import datetime
import math
import re
from typing import Any, NamedTuple

from calibench.errors import InputError
from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints

UNITS = ("year", "quarter", "month", "week", "day")
"""The units of `--periods`, the longest first."""

FEWEST, MOST = 4, 400
"""Without `--periods`, dates have the longest unit that gives at least `FEWEST` periods; more than `MOST` are refused."""

RANGES = 8
"""Without `--periods`, numbers are cut into so many ranges, unless they have so few values."""

SECONDS_A_DAY = 86400.0

FIRST_DAY, AFTER_LAST_DAY = -719162, 2932897
"""Days from 1970-01-01 to 0001-01-01, and to the day after 9999-12-31: the years of ISO dates."""

_MONTH = re.compile(r"\d{4}-\d{2}\Z")


class Times(NamedTuple):
    """The time of each sample, and its period."""

    column: str
    time: Floats
    """`[N]`: numbers as they are, or days since 1970-01-01 (UTC)."""
    names: list[str]
    """The periods that hold samples, in the order of time."""
    period: Ints
    """The period of each sample, `[N]`."""
    dates: bool

    def name_of(self, time: float) -> str:
        """A point in time as a user writes it."""
        if not self.dates:
            return f"{time:.{6 if abs(time) < 1e6 else 15}g}"  # 1709251200, as of seconds, keeps its digits
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(days=time)
        at_midnight = moment.time() == datetime.time()
        return moment.date().isoformat() if at_midnight else moment.isoformat(timespec="seconds")


def periods_of(column: str, values: Any, periods: str | None = None) -> Times:
    """The periods of `values [N]`: numbers, ISO dates as texts, or dates. `periods` is a unit of `UNITS` or a number of ranges.

    Ranges hold about as many samples each; equal times are never parted. InputError naming the first row without a time, and
    for a unit of numbers.
    """
    time, dates = _times(column, np.asarray(values))
    if periods is not None and periods not in UNITS and not (periods.isdecimal() and int(periods) > 1):
        hint = f"give one of {', '.join(UNITS)}, or a number of periods from 2 on"
        raise InputError(f"--periods {periods} is neither a unit of time nor a number", hint)
    if periods in UNITS and not dates:
        message = f"--periods {periods} is for dates, and {column!r} holds numbers"
        raise InputError(message, "give the number of periods, or dates such as 2024-03-31")
    unit = periods if periods in UNITS else None
    if unit is None and periods is None and dates:
        counts = {name: len(set(_calendar(time, name))) for name in UNITS}
        unit = next((name for name in UNITS if counts[name] >= FEWEST), None)
    if unit is not None:
        names, index = np.unique(np.array(_calendar(time, unit)), return_inverse=True)  # names sort as their dates do
        found = Times(column, time, names.tolist(), index.reshape(-1), dates)
    else:
        found = _ranges(column, time, RANGES if periods is None else int(str(periods)), dates, periods is None)
    if len(found.names) > MOST:
        message = f"--by-time {column} makes {len(found.names)} periods, and at most {MOST} can be judged"
        raise InputError(message, "choose a longer unit, as --periods month")
    return found


def _times(column: str, array: Any) -> tuple[Floats, bool]:
    """The time of each row as a number, and whether they are dates."""
    if array.ndim != 1:
        raise InputError(f"{column!r} has shape {list(array.shape)}", "there is one time a sample")
    if array.dtype.kind == "M":
        moments = array.astype("datetime64[us]")
        time = moments.astype(np.int64) / (1e6 * SECONDS_A_DAY)
        return _filled(column, np.where(np.isnat(moments), np.nan, time), array, True), True
    if array.dtype.kind in "iuf":
        return _filled(column, array.astype(np.float64), array, False), False
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind not in "OU":
        raise InputError(f"--by-time {column}: values of type {array.dtype} are no times", "store numbers or ISO dates")
    texts, place = np.unique(array.astype(str), return_inverse=True)
    numbers = [_number(text) for text in texts.tolist()]
    dates = False
    if not all(map(math.isfinite, numbers)):
        days = [_days(text) for text in texts.tolist()]
        dates = sum(map(math.isfinite, days)) >= sum(map(math.isfinite, numbers))  # what most are, the others should be
        numbers = days if dates else numbers
    return _filled(column, np.array(numbers)[place.reshape(-1)], array, dates), dates


def _filled(column: str, time: Floats, given: Any, dates: bool) -> Floats:
    known = np.isfinite(time)
    wrong = np.flatnonzero(~(known & (time >= FIRST_DAY) & (time < AFTER_LAST_DAY)) if dates else ~known)
    if len(wrong):
        message = f"--by-time {column}: row {wrong[0]}: {str(given[wrong[0]])!r} is neither a number nor an ISO date"
        raise InputError(
            message, "write times as 2024-03-31, as 2024-03-31T12:00:00 or as numbers; leave other rows out"
        )
    return time


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _days(text: str) -> float:
    """Days since 1970-01-01 of an ISO date, month or time, in UTC where it names a zone; NaN for other texts."""
    text = text.strip()
    try:
        moment = datetime.datetime.fromisoformat(f"{text}-01" if _MONTH.match(text) else text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return math.nan
    return (moment - datetime.datetime(1970, 1, 1)) / datetime.timedelta(days=1)


def _calendar(time: Floats, unit: str) -> list[str]:
    """The unit of the calendar that each day lies in: 2024, 2024-Q1, 2024-03, 2024-W09, 2024-03-02."""
    days, place = np.unique(np.floor(time), return_inverse=True)
    names = []
    for day in days.tolist():
        date = datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
        week = date.isocalendar()
        names.append(
            {
                "year": f"{date.year:04}",
                "quarter": f"{date.year:04}-Q{(date.month + 2) // 3}",
                "month": f"{date.year:04}-{date.month:02}",
                "week": f"{week.year:04}-W{week.week:02}",
                "day": date.isoformat(),
            }[unit]
        )
    return [names[number] for number in place.reshape(-1).tolist()]


def _ranges(column: str, time: Floats, count: int, dates: bool, by_value: bool) -> Times:
    """Ranges of about as many samples each; each value by itself if `by_value` and there are few."""
    distinct, place, sizes = np.unique(time, return_inverse=True, return_counts=True)
    if by_value and len(distinct) <= RANGES:
        part = np.arange(len(distinct))
    else:
        # A value belongs to the range that the middle of its samples lies in.
        middle = sizes.cumsum() - sizes / 2
        part = np.minimum((middle * count / len(time)).astype(np.int64), count - 1)
    filled, part = np.unique(part, return_inverse=True)
    part = part.reshape(-1)
    empty = Times(column, time, [], place.reshape(-1), dates)
    names = []
    for number in range(len(filled)):
        within = distinct[part == number]
        first, last = empty.name_of(within[0]), empty.name_of(within[-1])
        names.append(first if first == last else f"{first} to {last}")
    if len(set(names)) < len(names):
        names = [f"{number + 1}: {name}" for number, name in enumerate(names)]
    return empty._replace(names=names, period=part[place.reshape(-1)])
