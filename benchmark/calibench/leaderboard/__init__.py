"""Boards of records: grouping, figures over seeds, intervals, bands and ranks. Nothing here imports torch."""
