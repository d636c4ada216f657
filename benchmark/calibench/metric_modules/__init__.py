"""Modules for a training loop: `update`, `compute`, `reset`, in O(bins) memory, under torchmetrics' names and arguments.

They are torchmetrics modules, so ranks are reduced, and MetricCollection and Lightning know them. Users import them from
`calibench.metrics`. `top_label_sums.py` and `class_sums.py` hold the two states, `batch_rows.py` reads a batch.
"""
