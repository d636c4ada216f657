"""Sphinx's settings: Markdown as GitHub reads it, the theme furo, and nothing from the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench.version import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "calibench"
author = "the authors of calibench"
release = __version__
extensions = ["myst_parser", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
root_doc = "index"

myst_heading_anchors = 4
myst_enable_extensions: list[str] = []
suppress_warnings: list[str] = []
nitpicky = True
smartquotes = False  # -- begins an option

highlight_language = "text"
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

html_theme = "furo"
html_title = f"calibench {__version__}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_use_index = False
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
html_last_updated_fmt = None
FONTS = {
    "font-stack": 'system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
    "font-stack--monospace": 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace',
}
html_theme_options = {
    "top_of_page_buttons": [],
    "light_css_variables": {**FONTS, "color-code-background": "#f3f5f8"},
    "dark_css_variables": {"color-code-background": "#1e2227"},
}
copybutton_selector = "div.highlight-sh pre, div.highlight-python pre, div.highlight-toml pre, div.highlight-yaml pre"

READABLE = {
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    "<pre>": '<pre tabindex="0">',
    '<div class="table-wrapper': '<div tabindex="0" class="table-wrapper',
}
"""What pages lack for readers who use a keyboard or hear the page: the level of a heading, and a way into what scrolls."""


def mend(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object) -> None:
    """Replace what READABLE lists in the text and in the navigation of a page."""
    for part in ("body", "furo_navigation_tree"):
        for found, replacement in READABLE.items():
            context[part] = context.get(part, "").replace(found, replacement)


def setup(app: Sphinx) -> None:
    """Called by Sphinx; 900 comes after the theme."""
    app.connect("html-page-context", mend, priority=900)
