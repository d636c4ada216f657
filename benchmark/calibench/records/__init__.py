"""What is stored of a run: its fields, and the files that hold it. Nothing here imports torch."""
