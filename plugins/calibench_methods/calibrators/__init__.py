"""Calibrators: post-hoc maps of outputs, one per file."""
