"""Ensembles: a whole recipe trained from several seeds, one per file."""
