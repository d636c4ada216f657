"""Boards, records and diagrams for people. Nothing here imports torch."""
