"""Which arrays and columns of a file are scores, labels and others: one set of rules for every format.

`samples.py` applies the rules in order. `score_columns.py` and `score_arrays.py` find the scores, `score_kind.py` tells
probabilities from logits, `class_names.py` and `label_values.py` match labels to names, and the other files each know one
unusual form: one column, a confidence with its correctness, members of an ensemble, pixels and tokens, shares of people.
"""
