"""Sphinx's settings: Markdown as GitHub reads it, the theme furo, and nothing from the network."""

from calibench.version import __version__

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

highlight_language = "text"
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

html_theme = "furo"
html_title = f"calibench {__version__}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
html_last_updated_fmt = None
html_theme_options = {"top_of_page_buttons": []}
copybutton_selector = "div.highlight-sh pre, div.highlight-python pre, div.highlight-toml pre, div.highlight-yaml pre"
