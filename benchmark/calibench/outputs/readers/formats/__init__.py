"""Formats of files, one a module: each reads named arrays or the columns of a table, and knows no scores or labels."""
