"""Boards of records: grouping, figures over seeds, intervals, ranks, changes against a base. Nothing here imports torch."""
