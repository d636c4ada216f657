"""Judging: every metric of one set of outputs, of stored outputs, of shifted test splits, of OOD sets."""
