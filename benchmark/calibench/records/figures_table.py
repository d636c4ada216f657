"""The figures of a record or of an evaluation as a table: for a notebook, and as a pandas DataFrame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from calibench.errors import InputError

COLUMNS = ("metric", "value", "low", "high", "noise_floor", "unit", "better")
"""`low` and `high` are the ends of the interval."""

STYLE = "text-align:left;vertical-align:top"


def figure_rows(
    metrics: Mapping[str, float | None],
    intervals: Mapping[str, Sequence[float] | None],
    noise_floor: Mapping[str, Mapping[str, float]],
    units: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """A row a metric, with the keys `COLUMNS`; figures are fractions and nats, None where there is none."""
    rows = []
    for name, value in metrics.items():
        low, high = intervals.get(name) or (None, None)
        floor, about = noise_floor.get(name, {}).get("mean"), units.get(name, {})
        values = (name, value, low, high, floor, about.get("unit"), about.get("better"))
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> Any:
    """The rows as a pandas DataFrame. InputError if pandas is not installed."""
    try:
        import pandas
    except ImportError as error:
        raise InputError(f"pandas cannot be imported: {error}", 'pip install "calibench[pandas]"') from None
    return pandas.DataFrame([dict(row) for row in rows], columns=columns)


def html_table(title: str, lines: Iterable[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as an HTML table below a title and lines of text. Every text is escaped; no style leaves the table."""
    head = [f"<strong>{_text(title)}</strong>", *(_text(line) for line in lines if line)]
    columns = list(rows[0]) if rows else []
    header = "".join(f'<th style="{STYLE}">{_text(name)}</th>' for name in columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="{STYLE}">{_text(_shown(row.get(name)))}</td>' for name in columns) + "</tr>"
        for row in rows
    )
    return f"<div>{'<br>'.join(head)}<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>"


def _shown(value: Any) -> str:
    """Four digits of a number; nothing for None."""
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _text(text: str) -> str:
    """The text, escaped; a character that shows nothing stands as its Python escape."""
    import html  # here: every command that reads records imports this module

    shown = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return html.escape(shown)
