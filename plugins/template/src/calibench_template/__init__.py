"""A calibench plugin to copy: bias-corrected temperature scaling."""
