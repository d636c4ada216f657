"""Plugins: the specs that describe their names, the hooks that they implement, and discovery. Nothing here imports torch."""
