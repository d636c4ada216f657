"""A page from its template: every value is escaped, style and script stand inside, and nothing is asked of the network."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.report.format import CONTROL
from calibench.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **context: Any) -> str:
    """The page as HTML. InputError if Jinja2 is not installed."""
    return _environment().get_template(template).render(**context)


@cache
def _environment() -> Environment:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise InputError("pages are drawn with Jinja2, which is not installed", 'pip install "jinja2>=3.1"') from None
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    environment.filters["breakable"] = breakable
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("site.css", "site.js"))
    environment.globals |= {
        "style": Markup(style),
        "script": Markup(script),
        "policy": f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'",
        "version": __version__,
    }
    return environment


def _hash(text: str) -> str:
    """The source of an inline script or style in a content security policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def breakable(name: str) -> Any:
    """A name escaped, with places where a line may end: after `+`, `:`, `,`, `=` and `/`."""
    from markupsafe import Markup

    return Markup("<wbr>").join(re.split(r"(?<=[+:,=/])", str(_finalized(name))))


def _finalized(value: Any) -> Any:
    """A value as it may stand in a page: nothing for None, and signs that HTML forbids as their escapes."""
    if value is None:
        return ""
    if isinstance(value, str) and CONTROL.search(value):
        return CONTROL.sub(lambda match: ascii(match[0])[1:-1], value)
    return value
