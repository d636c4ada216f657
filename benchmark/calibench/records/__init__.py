"""Records: the fields that are stored of a run, and the files that hold them. Nothing here imports torch."""
