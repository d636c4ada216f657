"""Readers that several sources, noises and shifts share: archives, image files, pickles, tables, caches."""
