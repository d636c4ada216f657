"""Calibrators: post-hoc maps of outputs, one a file."""
