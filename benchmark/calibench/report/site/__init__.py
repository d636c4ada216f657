"""Static pages of boards, data sets, recipes and runs: Jinja templates, pictures as SVG, no network. Nothing here imports torch."""
